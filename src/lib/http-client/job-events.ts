import { setTimeout as delay } from 'node:timers/promises';
import { bounded, type WaitLimits } from '../core/bounded.js';
import { type HttpCall, limitedCall } from './call.js';
import { HttpError, noAnswer, silent } from './http-error.js';
import { linesOf } from './row-stream.js';
import type { Transport } from './transport.js';
import type { HttpJobEvent } from './types.js';

/** Pause before reconnecting if the server sends none, ms. */
const RECONNECT_MS = 3000;
/** A server sends something every 15 s; a connection without data for this long is dead. */
const SILENT_MS = 60_000;
/** Maximum number of connections lost in a row without an event in between. */
const MOST_BREAKS = 4;
/** Events that repeat the current state: one that equals the previous one is skipped. */
const KINDS: ReadonlySet<string> = new Set(['state', 'position', 'progress', 'end']);

/** An event as sent by the server. */
interface ServerEvent {
  event: string;
  data: string;
}

/** Other data of a stream, kept across connections. */
class StreamState {
  lastId = '';
  retryMs = RECONNECT_MS;
}

/**
 * The events of a job until its end, over any number of connections. Each connection begins with the current
 * state, so no change is missed.
 * @throws InferError WAIT_TIMEOUT if the time is up, JOB_UNKNOWN; the signal's reason.
 */
export async function* jobEvents(
  transport: Transport,
  path: string,
  id: string,
  { timeoutMs, signal }: WaitLimits,
): AsyncGenerator<HttpJobEvent, void, undefined> {
  const state = new StreamState();
  const told = new Map<string, string>();
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  const within = <T>(work: (call: HttpCall) => Promise<T>): Promise<T> => {
    const leftMs = deadline - performance.now();
    const begin = (call: HttpCall) => {
      if (told.size > 0) call.waitsFor(id);
      return work(call);
    };
    return limitedCall({ timeoutMs: Number.isFinite(leftMs) ? leftMs : undefined, signal }, begin);
  };
  for (let breaks = 0; ; ) {
    try {
      const response = await within((call) => open(transport, path, state, call));
      const step = <T>(read: () => Promise<T>) => within((call) => readStep(transport, read, call));
      for await (const { event, data } of eventsIn(response, state, step)) {
        breaks = 0;
        if (!KINDS.has(event) || told.get(event) === data) continue;
        told.set(event, data);
        yield { event, data: JSON.parse(data) } as HttpJobEvent;
        if (event === 'end') return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      breaks += 1;
      const isLost = error instanceof HttpError && error.retryable && told.size > 0;
      if (!isLost || breaks > MOST_BREAKS) throw error;
    }
    await within((call) => delay(state.retryMs, undefined, { signal: call.signal }));
  }
}

function open(transport: Transport, path: string, { lastId }: StreamState, call: HttpCall) {
  const id = lastId === '' ? undefined : { 'last-event-id': lastId };
  const headers = { accept: 'text/event-stream', ...id };
  return transport.stream(call, { method: 'GET', path, headers, idempotent: true, patienceMs: SILENT_MS });
}

/** One read of a stream; fails if nothing arrives for too long. */
function readStep<T>({ base }: Transport, read: () => Promise<T>, { signal }: HttpCall): Promise<T> {
  const reading = () =>
    read().catch((error: unknown) => {
      throw noAnswer(error, base);
    });
  return bounded(reading, { timeoutMs: SILENT_MS, signal }, () => silent(base));
}

/** The events of one connection, parsed as server-sent events. */
async function* eventsIn(
  { body }: Response,
  state: StreamState,
  step: <T>(read: () => Promise<T>) => Promise<T>,
): AsyncGenerator<ServerEvent, void, undefined> {
  if (body === null) return;
  let [event, id] = ['', state.lastId];
  let data: string[] = [];
  for await (const whole of linesOf(body as ReadableStream<Uint8Array>, step)) {
    const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
    if (line === '') {
      state.lastId = id;
      if (data.length > 0) yield { event: event || 'message', data: data.join('\n') };
      [event, data] = ['', []];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) state.retryMs = Number(value);
  }
}
