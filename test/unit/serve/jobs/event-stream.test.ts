import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { EventStream, EventStreams } from '../../../../src/lib/serve/gateway/jobs/event-stream.js';

const textOf = async (stream: EventStream): Promise<string> => {
  let text = '';
  for await (const piece of stream) text += String(piece);
  return text;
};

describe('a stream of events', () => {
  it('has the reconnection time, its events in order, and an end', async () => {
    const stream = new EventStream();
    stream.tell('state', { state: 'waiting' });
    stream.tell('end', { text: 'a\nb' });
    stream.finish();
    stream.tell('late', {});
    expect(await textOf(stream)).toBe(
      'retry: 3000\n\nevent: state\ndata: {"state":"waiting"}\n\n' +
        'event: end\nid: end\ndata: {"text":"a\\nb"}\n\n',
    );
  });

  it('keeps only the newest of each kind for a client that does not read', async () => {
    const stream = new EventStream();
    const large = 'x'.repeat(70_000);
    stream.tell('state', large);
    for (let i = 0; i < 10_000; i++) stream.tell('position', i);
    stream.tell('state', 'active');
    expect(stream.readableLength).toBeLessThan(80_000);
    stream.finish();
    const text = await textOf(stream);
    expect(text.match(/event: position/g)).toHaveLength(1);
    expect(text).toContain('data: 9999');
    expect(text.trimEnd().endsWith('data: "active"')).toBe(true);
  });

  it('is closed when its client reads nothing for four beats', async () => {
    const stream = new EventStream();
    stream.tell('state', 'x'.repeat(70_000));
    const closed = once(stream, 'close');
    for (let i = 0; i < 3; i++) stream.beat();
    expect(stream.destroyed).toBe(false);
    stream.beat();
    await closed;
  });

  it('sends a comment at each beat', async () => {
    const stream = new EventStream();
    stream.beat();
    stream.finish('the server is shutting down');
    expect(await textOf(stream)).toBe('retry: 3000\n\n:\n\n: the server is shutting down\n\n');
  });
});

describe('the streams of a server', () => {
  it('end together, and each reports once that it has closed', async () => {
    const drain = new AbortController();
    const streams = new EventStreams(drain.signal);
    let closed = 0;
    const open = [1, 2, 3].map(() => streams.add(() => closed++));
    expect(streams.size).toBe(3);
    open[0]?.destroy();
    await once(open[0] as EventStream, 'close');
    drain.abort();
    const texts = await Promise.all(open.slice(1).map(textOf));
    expect(texts).toEqual(Array(2).fill('retry: 3000\n\n: the server is shutting down\n\n'));
    expect([closed, streams.size]).toEqual([3, 0]);
    expect(await textOf(streams.add(() => closed++))).toContain('is shutting down');
  });
});

it('streams end with the next beat when their token no longer allows them', async () => {
  vi.useFakeTimers();
  try {
    const streams = new EventStreams(new AbortController().signal);
    let allowed = true;
    const revoked = streams.add(
      () => undefined,
      () => allowed,
    );
    const free = streams.add(() => undefined);
    const read = textOf(revoked);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(streams.size).toBe(2);
    allowed = false;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await read).toContain(': the token no longer allows this');
    expect(free.destroyed).toBe(false);
    free.destroy();
  } finally {
    vi.useRealTimers();
  }
});
