import type { StreamEvents } from '../../lib/serve/dashboard/shapes.js';
import type { Api } from './api.js';
import { RequestError, type RequestProblem, UNREACHABLE } from './problem.js';
import { EventParser } from './sse.js';

export type StreamState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** Closed by the reader of the page. */
  | { kind: 'paused' }
  /** Tried again at `retryAt` (ms since the epoch, by this computer's clock). */
  | { kind: 'waiting'; retryAt: number; problem: RequestProblem }
  /** A token is needed, or the one sent is not valid: trying again would not help. */
  | { kind: 'refused'; problem: RequestProblem };

export interface LiveStreamOptions {
  api: Pick<Api, 'open'>;
  onEvent<Name extends keyof StreamEvents>(name: Name, data: StreamEvents[Name]): void;
  onState(state: StreamState): void;
  /** 0..1, to spread reconnects of many tabs [Math.random]. */
  random?: () => number;
}

/** The server sends a snapshot each second. After this long without one the connection counts as dead. */
export const SILENCE_MS = 12_000;
export const FIRST_DELAY_MS = 500;
export const MAX_DELAY_MS = 15_000;

const NAMES: readonly string[] = ['recent', 'snapshot', 'end'] satisfies (keyof StreamEvents)[];

/**
 * Reads the server's stream by `fetch`, since an EventSource cannot send a token in a header. Connects again with
 * growing delays after every end that the reader did not ask for.
 */
export class LiveStream {
  private state: StreamState = { kind: 'paused' };
  private stop: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  constructor(private readonly options: LiveStreamOptions) {}

  /** Connects, at once also while it waits. Does nothing if it is connected. */
  start(): void {
    if (this.state.kind === 'connecting' || this.state.kind === 'live') return;
    clearTimeout(this.timer);
    void this.run();
  }

  pause(): void {
    clearTimeout(this.timer);
    this.stop?.abort();
    this.stop = undefined;
    this.failures = 0;
    this.become({ kind: 'paused' });
  }

  private async run(): Promise<void> {
    const stop = new AbortController();
    this.stop = stop;
    this.become({ kind: 'connecting' });
    let problem: RequestProblem;
    try {
      problem = await this.read(stop);
    } catch (error) {
      problem = error instanceof RequestError ? error.problem : UNREACHABLE;
    }
    // Paused, or started again, in the meantime.
    if (this.stop !== stop) return;
    stop.abort();
    if (problem.status === 401 || problem.status === 403) {
      this.become({ kind: 'refused', problem });
      return;
    }
    const delay = this.nextDelay();
    this.become({ kind: 'waiting', retryAt: Date.now() + delay, problem });
    this.timer = setTimeout(() => void this.run(), delay);
  }

  /** Reads until the stream ends, and returns why it did. */
  private async read(stop: AbortController): Promise<RequestProblem> {
    let silence = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const response = await this.options.api.open('api/stream', stop.signal);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const decoder = new TextDecoder();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return UNREACHABLE;
        clearTimeout(silence);
        silence = setTimeout(() => stop.abort(), SILENCE_MS);
        for (const { name, data } of parser.push(decoder.decode(value, { stream: true }))) {
          if (this.stop !== stop) return UNREACHABLE;
          const ended = this.take(name, data);
          if (ended !== undefined) return ended;
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  private take(name: string, text: string): RequestProblem | undefined {
    if (!NAMES.includes(name)) return undefined;
    const data = JSON.parse(text) as never;
    if (name === 'end') {
      const { reason } = data as StreamEvents['end'];
      return { status: 0, code: 'ENDED', message: `The dashboard ended the stream: ${reason}.`, hint: null };
    }
    if (name === 'snapshot') {
      this.failures = 0;
      this.become({ kind: 'live' });
    }
    this.options.onEvent(name as keyof StreamEvents, data);
    return undefined;
  }

  /** Half to all of 0.5 s, 1 s, 2 s … 15 s. */
  private nextDelay(): number {
    const full = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    return Math.round(full * (0.5 + (this.options.random ?? Math.random)() / 2));
  }

  private become(state: StreamState): void {
    if (state.kind === this.state.kind && state.kind !== 'waiting') return;
    this.state = state;
    this.options.onState(state);
  }
}
