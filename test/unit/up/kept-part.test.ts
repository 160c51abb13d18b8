import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Ending, KeptPart, type RunningPart, StartFailure } from '../../../src/lib/up/kept-part.js';
import { RestartPauses } from '../../../src/lib/up/restart-pauses.js';
import type { UpEvent } from '../../../src/lib/up/types.js';

/** A process that ends when the test says so. */
class FakeProcess implements RunningPart {
  readonly detail = 'cpu';
  readonly ended: Promise<Ending>;
  stops: boolean[] = [];
  end: (ending: Ending) => void = () => undefined;

  constructor(readonly pid: number) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async stop(hurry: AbortSignal): Promise<boolean> {
    this.stops.push(hurry.aborted);
    this.end({ reason: 'exit code 0', lines: [] });
    return hurry.aborted;
  }
}

const PATIENT = new AbortController().signal;
const KILLED = { reason: 'killed by SIGKILL', lines: ['the last line'] };

function kept(opens: (FakeProcess | Error)[]) {
  const events: UpEvent[] = [];
  const left = [...opens];
  const part = new KeptPart<FakeProcess>({
    name: 'gateway',
    tell: (event) => events.push(event),
    open: async () => {
      const next = left.shift();
      if (next instanceof FakeProcess) return next;
      throw next ?? new Error('opened too often');
    },
  });
  return { part, events, left };
}

/** Runs what is due without letting time pass. */
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the pauses before restarts', () => {
  it('double from a second up to a minute', () => {
    const pauses = new RestartPauses();
    const taken = Array.from({ length: 8 }, () => pauses.next(10));
    expect(taken).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('begin again after the part has run for a minute', () => {
    const pauses = new RestartPauses();
    expect([pauses.next(0), pauses.next(59_999), pauses.next(60_000), pauses.next(0)]).toEqual([
      1000, 2000, 1000, 2000,
    ]);
  });
});

describe('a part that is kept', () => {
  it('reports why its first start failed', async () => {
    const { part } = kept([new StartFailure(KILLED)]);
    await expect(part.open(PATIENT)).rejects.toThrow('killed by SIGKILL');
    expect(part.current).toBeUndefined();
  });

  it('says that it has stopped, and whether it was killed', async () => {
    const process = new FakeProcess(1);
    const { part, events } = kept([process]);
    await part.open(PATIENT);
    part.keep();
    await part.stop(PATIENT);
    expect(process.stops).toEqual([false]);
    expect(events).toEqual([
      { event: 'started', part: 'gateway', pid: 1, detail: 'cpu' },
      { event: 'stopped', part: 'gateway', killed: false },
    ]);
    const hurried = kept([new FakeProcess(2)]);
    await hurried.part.open(PATIENT);
    await hurried.part.stop(AbortSignal.abort());
    expect(hurried.events.at(-1)).toEqual({ event: 'stopped', part: 'gateway', killed: true });
  });

  it('says nothing of stopping when nothing was running', async () => {
    const { part, events } = kept([new StartFailure(KILLED)]);
    await part.open(PATIENT).catch(() => undefined);
    part.keep(new StartFailure(KILLED));
    await settle();
    await part.stop(PATIENT);
    expect(events.map(({ event }) => event)).toEqual(['ended']);
  });
});

// `node:timers/promises` is not faked, so these wait for a first pause of a second.
describe('a part that has ended', () => {
  beforeEach(() => {
    vi.useRealTimers();
  });

  it('is started again, with its reason and the end of its log told', async () => {
    const [first, second] = [new FakeProcess(1), new FakeProcess(2)];
    const { part, events } = kept([first, second]);
    await part.open(PATIENT);
    part.keep();
    first.end(KILLED);
    await vi.waitFor(() => expect(part.current).toBe(second), 10_000);
    expect(events).toEqual([
      { event: 'started', part: 'gateway', pid: 1, detail: 'cpu' },
      { event: 'ended', part: 'gateway', ...KILLED, retryMs: 1000 },
      { event: 'started', part: 'gateway', pid: 2, detail: 'cpu' },
    ]);
    await part.stop(PATIENT);
    expect([first.stops, second.stops]).toEqual([[], [false]]);
  });

  it('is tried again after a start that failed, also the first', async () => {
    const running = new FakeProcess(3);
    const { part, events } = kept([new StartFailure(KILLED), new Error('no memory'), running]);
    const failure = await part.open(PATIENT).catch((error: unknown) => error);
    part.keep(failure);
    await vi.waitFor(() => expect(part.current).toBe(running), 20_000);
    expect(events).toMatchObject([
      { event: 'ended', reason: 'killed by SIGKILL', retryMs: 1000 },
      { event: 'ended', reason: 'no memory', lines: [], retryMs: 2000 },
      { event: 'started', pid: 3 },
    ]);
    await part.stop(PATIENT);
  });

  it('is not started again once it is to stop', async () => {
    const first = new FakeProcess(1);
    const { part, events, left } = kept([first, new FakeProcess(2)]);
    await part.open(PATIENT);
    part.keep();
    first.end(KILLED);
    await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ event: 'ended' }));
    await part.stop(PATIENT);
    expect(left).toHaveLength(1);
  });

  it('is ended when its restart comes through after it is to stop', async () => {
    const [first, late] = [new FakeProcess(1), new FakeProcess(2)];
    let opened: (process: FakeProcess) => void = () => undefined;
    const opens = [Promise.resolve(first), new Promise<FakeProcess>((resolve) => (opened = resolve))];
    const asked: number[] = [];
    const part = new KeptPart<FakeProcess>({
      name: 'worker up',
      tell: () => undefined,
      open: () => {
        asked.push(opens.length);
        return opens.shift() as Promise<FakeProcess>;
      },
    });
    await part.open(PATIENT);
    part.keep();
    first.end(KILLED);
    await vi.waitFor(() => expect(asked).toHaveLength(2), 10_000);
    const stopped = part.stop(PATIENT);
    opened(late);
    await stopped;
    expect(late.stops).toEqual([false]);
  });
});
