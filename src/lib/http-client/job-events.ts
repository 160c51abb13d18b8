import { setTimeout as delay } from 'node:timers/promises';
import { bounded, type WaitLimits } from '../core/bounded.js';
import { type HttpCall, limitedCall } from './call.js';
import { HttpError, noAnswer, silent } from './http-error.js';
import { linesOf } from './row-stream.js';
import type { Transport } from './transport.js';
import type { HttpJobEvent } from './types.js';

/** Pause before connecting again where the server names none, ms. */
const RECONNECT_MS = 3000;
/** A server sends something every 15 s; a connection on which nothing comes for so long is dead. */
const SILENT_MS = 60_000;
/** Connections that may break one after another, without an event in between. */
const MOST_BREAKS = 4;
/** Events of which only the newest matters: one that says the same as the last is not told again. */
const KINDS: ReadonlySet<string> = new Set(['state', 'position', 'progress', 'end']);

/** An event as the server sends it. */
interface ServerEvent {
  event: string;
  data: string;
}

/** What a stream says besides events; kept from one connection to the next. */
class StreamState {
  lastId = '';
  retryMs = RECONNECT_MS;
}

/**
 * The events of a job until its end, over as many connections as that takes. Each connection begins with how
 * things stand, so no change is missed.
 * @throws InferError WAIT_TIMEOUT when the time is up, JOB_UNKNOWN; the signal's reason.
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

/** One read of a stream; a connection that is silent for too long is broken. */
function readStep<T>({ base }: Transport, read: () => Promise<T>, { signal }: HttpCall): Promise<T> {
  const reading = () =>
    read().catch((error: unknown) => {
      throw noAnswer(error, base);
    });
  return bounded(reading, { timeoutMs: SILENT_MS, signal }, () => silent(base));
}

/** The events of one connection, by the rules of server-sent events. */
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
