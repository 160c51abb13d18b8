import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../../src/web/stream/api.js';
import {
  FIRST_DELAY_MS,
  LiveStream,
  MAX_DELAY_MS,
  SILENCE_MS,
  type StreamState,
} from '../../../src/web/stream/live-stream.js';

/** A server whose streams the test feeds. */
function server() {
  const requests: { url: string; authorization: string | null; ended: () => boolean }[] = [];
  let answer: () => Response;
  let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
  const encoder = new TextEncoder();
  const stream = () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        feed = controller;
      },
    });
    return new Response(body);
  };
  answer = stream;
  const fetch = (async (url: URL, init: RequestInit) => {
    const signal = init.signal as AbortSignal;
    const authorization = new Headers(init.headers).get('authorization');
    requests.push({ url: String(url), authorization, ended: () => signal.aborted });
    const response = answer();
    const mine = feed;
    signal.addEventListener('abort', () => {
      try {
        mine?.error(signal.reason);
      } catch {
        // It has been closed before.
      }
    });
    return response;
  }) as typeof globalThis.fetch;
  return {
    requests,
    fetch,
    send: (name: string, data: unknown) =>
      feed?.enqueue(encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)),
    close: () => feed?.close(),
    answerWith: (next: () => Response) => {
      answer = next;
    },
    answerWithStreams: () => {
      answer = stream;
    },
  };
}

describe('the live stream', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function started() {
    const fake = server();
    const events: [string, unknown][] = [];
    const states: StreamState[] = [];
    const api = new Api({
      base: 'http://host:5555/infer/',
      token: () => 'inf_secret',
      fetch: fake.fetch,
    });
    const stream = new LiveStream({
      api,
      onEvent: (name, data) => void events.push([name, data]),
      onState: (state) => void states.push(state),
      random: () => 1,
    });
    stream.start();
    const kinds = () => states.map(({ kind }) => kind);
    return { fake, events, states, stream, kinds };
  }
  const settle = () => vi.advanceTimersByTimeAsync(0);

  it('is below the address of the page, and sends the token in a header and nowhere else', async () => {
    const { fake } = started();
    await settle();
    expect(fake.requests).toMatchObject([
      { url: 'http://host:5555/infer/api/stream', authorization: 'Bearer inf_secret' },
    ]);
  });

  it('is live with the first snapshot', async () => {
    const { fake, events, kinds } = started();
    await settle();
    expect(kinds()).toEqual(['connecting']);
    fake.send('recent', []);
    fake.send('unknown', {});
    fake.send('snapshot', { seq: 1 });
    await settle();
    expect(kinds()).toEqual(['connecting', 'live']);
    expect(events).toEqual([
      ['recent', []],
      ['snapshot', { seq: 1 }],
    ]);
  });

  it('connects again when it ends, with growing delays, and from the first one after a snapshot', async () => {
    const { fake, states } = started();
    await settle();
    fake.answerWith(() => new Response('', { status: 502 }));
    fake.close();
    await settle();
    const delays: number[] = [];
    for (let i = 0; i < 7; i++) {
      const last = states.at(-1);
      if (last?.kind !== 'waiting') throw new Error(`it is ${last?.kind}`);
      delays.push(last.retryAt - Date.now());
      await vi.advanceTimersByTimeAsync(last.retryAt - Date.now());
    }
    const first = FIRST_DELAY_MS;
    expect(delays).toEqual([first, first * 2, first * 4, first * 8, first * 16, MAX_DELAY_MS, MAX_DELAY_MS]);

    fake.answerWithStreams();
    await vi.advanceTimersByTimeAsync(MAX_DELAY_MS);
    fake.send('snapshot', {});
    await settle();
    expect(states.at(-1)).toEqual({ kind: 'live' });
    fake.close();
    await settle();
    expect(states.at(-1)).toMatchObject({ kind: 'waiting', retryAt: Date.now() + first });
  });

  it('takes silence for a dead connection', async () => {
    const { fake, states } = started();
    await settle();
    fake.send('snapshot', {});
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    fake.send('snapshot', {});
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    expect(states.at(-1)?.kind).toBe('live');
    await vi.advanceTimersByTimeAsync(1);
    expect(states.at(-1)?.kind).toBe('waiting');
    expect(fake.requests[0]?.ended()).toBe(true);
  });

  it('says why the server ended it, and tries again', async () => {
    const { fake, states } = started();
    await settle();
    fake.send('end', { reason: 'it is shutting down' });
    await settle();
    expect(states.at(-1)).toMatchObject({
      kind: 'waiting',
      problem: { message: 'The dashboard ended the stream: it is shutting down.' },
    });
  });

  it.each([401, 403])('does not try again after %s, which only another token changes', async (status) => {
    const { fake, states, stream } = started();
    await settle();
    fake.answerWith(() => Response.json({ code: 'TOKEN', detail: 'no such token' }, { status }));
    fake.close();
    await vi.advanceTimersByTimeAsync(FIRST_DELAY_MS);
    expect(states.at(-1)).toMatchObject({ kind: 'refused', problem: { status, message: 'no such token' } });
    await vi.advanceTimersByTimeAsync(MAX_DELAY_MS * 2);
    expect(fake.requests).toHaveLength(2);

    fake.answerWithStreams();
    stream.start();
    await settle();
    expect(states.at(-1)?.kind).toBe('connecting');
  });

  it('is closed by a pause, and stays so until it is started', async () => {
    const { fake, states, stream, events } = started();
    await settle();
    fake.send('snapshot', { seq: 1 });
    await settle();
    stream.pause();
    await vi.advanceTimersByTimeAsync(MAX_DELAY_MS * 2);
    expect(states.at(-1)).toEqual({ kind: 'paused' });
    expect(fake.requests).toHaveLength(1);
    expect(fake.requests[0]?.ended()).toBe(true);
    stream.start();
    await settle();
    fake.send('snapshot', { seq: 2 });
    await settle();
    expect(states.at(-1)).toEqual({ kind: 'live' });
    expect(events).toHaveLength(2);
  });

  it('connects at once, and only once, when it is started while it waits', async () => {
    const { fake, stream } = started();
    await settle();
    fake.close();
    await settle();
    stream.start();
    await vi.advanceTimersByTimeAsync(FIRST_DELAY_MS * 2);
    expect(fake.requests).toHaveLength(2);
  });
});
