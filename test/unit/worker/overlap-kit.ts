import { InferError } from '../../../src/lib/core/errors.js';
import { type HostTime, sleep } from '../../../src/lib/core/host-time.js';
import { Turns } from '../../../src/lib/core/turns.js';
import { HandedRun } from '../../../src/lib/model/handed-run.js';
import { RunGate } from '../../../src/lib/model/run-gate.js';
import type { LoadedModel, Runner, RunnerExit, RunReply, RunRequest } from '../../../src/lib/model/runner.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import type { Request } from '../../../src/lib/model/wire.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A clock that jumps from one event to the next; promises settle in between. */
export class FakeTime implements HostTime {
  private time = 1000;
  private events: { at: number; order: number; then: () => void }[] = [];
  private order = 0;

  now(): number {
    return this.time;
  }

  after(ms: number, then: () => void): () => void {
    const event = { at: this.time + Math.max(0, ms), order: this.order++, then };
    this.events.push(event);
    return () => {
      this.events = this.events.filter((other) => other !== event);
    };
  }

  turn(): Promise<void> {
    return sleep(this, 0);
  }

  /** Runs all events, also those that they cause. */
  async run(): Promise<void> {
    await settled();
    for (;;) {
      this.events.sort((a, b) => a.at - b.at || a.order - b.order);
      const event = this.events.shift();
      if (event === undefined) return;
      this.time = Math.max(this.time, event.at);
      event.then();
      await settled();
    }
  }
}

/** Times in which an event loop does nothing: it is collecting garbage, or its machine is busy. */
export interface Stall {
  at: number;
  ms: number;
}

/** The same time for a process whose event loop stalls: its timers fire, and what it is sent is read, afterwards. */
export class StallingTime implements HostTime {
  /** From which its process reads. */
  readonly pipes: Channel[] = [];

  constructor(
    private readonly time: FakeTime,
    private readonly stalls: readonly Stall[],
  ) {}

  now(): number {
    return this.time.now();
  }

  after(ms: number, then: () => void): () => void {
    let at = this.now() + Math.max(0, ms);
    for (const stall of this.stalls) if (at >= stall.at && at < stall.at + stall.ms) at = stall.at + stall.ms;
    return this.time.after(at - this.now(), then);
  }

  /** What was written to a pipe of this host before is there to be read. */
  async turn(): Promise<void> {
    await sleep(this, 0);
    for (const pipe of this.pipes) pipe.flush();
  }
}

/** One direction of a pipe: what is sent is read in order, a little later. */
export class Channel {
  private lastAt = 0;
  private unread: { deliver: () => void; cancel: () => void }[] = [];

  /** @param time of the process that reads from it */
  constructor(
    private readonly time: HostTime,
    private readonly delayMs: () => number,
  ) {}

  send(deliver: () => void): void {
    this.lastAt = Math.max(this.lastAt, this.time.now() + this.delayMs());
    const message = {
      deliver,
      cancel: this.time.after(this.lastAt - this.time.now(), () => {
        this.unread = this.unread.filter((one) => one !== message);
        deliver();
      }),
    };
    this.unread.push(message);
  }

  /** Reads all that was sent: a turn of the reader's event loop. */
  flush(): void {
    for (const { deliver, cancel } of this.unread.splice(0)) {
      cancel();
      deliver();
    }
  }
}

/** What a simulated runner does and tells. */
export interface SimulatedRuns {
  hopMs(): number;
  /** Milliseconds of a run, and how it ends. */
  outcome(): { ms: number; how: 'good' | 'fails' | 'dies' };
  /** A run begins, `handed` under a permit. */
  begins(request: RunRequest, handed: boolean): void;
  ends(request: RunRequest, how: 'good' | 'fails' | 'dies'): void;
  /** A micro-batch that was handed over came back. */
  returned(request: RunRequest): void;
}

/** A runner process as the worker sees it: its event loop reads nothing while a run is in progress. */
export function simulatedRunner(time: FakeTime, worker: StallingTime, runs: SimulatedRuns): Runner {
  const toWorker = new Channel(worker, () => runs.hopMs());
  worker.pipes.push(toWorker);
  const toRunner = new Channel(time, () => runs.hopMs());
  const pending = new Map<
    number,
    { resolve(reply: RunReply | undefined): void; reject(error: Error): void; handed?: HandedRun }
  >();
  let nextId = 1;
  let isBlocked = false;
  let isDead = false;
  let unread: (() => void)[] = [];
  const turns = new Turns();
  let exit: (how: RunnerExit) => void = () => undefined;
  const exited = new Promise<RunnerExit>((resolve) => {
    exit = resolve;
  });
  const die = () => {
    if (isDead) return;
    isDead = true;
    // After all that it has written.
    toWorker.send(() => {
      for (const { reject } of pending.values()) reject(new InferError('RUNNER_DIED', 'killed by SIGSEGV'));
      pending.clear();
      exit({ reason: 'killed by SIGSEGV', signal: 'SIGSEGV', code: null, expected: false });
    });
  };
  const tell = (deliver: () => void) => {
    if (!isDead) toWorker.send(deliver);
  };
  const gate = new RunGate(async (id, notice) => tell(() => pending.get(id)?.handed?.on(notice)), time);
  const answer = (
    id: number,
    settle: (one: { resolve(reply: RunReply | undefined): void; reject(error: Error): void }) => void,
  ) =>
    tell(() => {
      const one = pending.get(id);
      pending.delete(id);
      if (one !== undefined) settle(one);
    });

  const run = async (id: number, request: RunRequest, handed: boolean) => {
    if (isDead) return;
    if (handed && !(await gate.admits(id))) {
      answer(id, ({ resolve }) => resolve(undefined));
      gate.ended(true);
      return;
    }
    if (isDead) return;
    runs.begins(request, handed);
    const { ms, how } = runs.outcome();
    isBlocked = true;
    const begun = time.now();
    await sleep(time, ms);
    isBlocked = false;
    if (isDead) return;
    runs.ends(request, how);
    const at: [number, number] = [begun, time.now()];
    if (how === 'dies') die();
    else if (how === 'fails') answer(id, ({ reject }) => reject(new InferError('RUN_FAILED', 'it fails')));
    else
      answer(id, ({ resolve }) => resolve({ outputs: outputsOf(request.parts), failed: [], runMs: ms, at }));
    gate.ended(how === 'good');
    for (const read of unread.splice(0)) read();
  };
  const write = (read: () => void) =>
    toRunner.send(() => {
      if (isBlocked) unread.push(read);
      else read();
    });
  const send = (request: RunRequest, handed?: HandedRun): Promise<RunReply | undefined> => {
    const id = nextId++;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, ...(handed === undefined ? {} : { handed }) });
      write(() => {
        if (handed !== undefined) gate.expect(id);
        void turns.take(() => run(id, request, handed !== undefined));
      });
    });
  };
  const frame = (request: Request) =>
    write(() => {
      if (request.op === 'permit') gate.permit(request.id, request.until);
      else if (request.op === 'recall') gate.recall(request.id);
    });
  return {
    pid: 1,
    exited,
    load: async () => ({ device: 'cpu' }) as LoadedModel,
    unload: async () => undefined,
    run: (request) => send(request) as Promise<RunReply>,
    handOver: (request, events) => {
      const side = {
        send: frame,
        isQuiet: () => [...pending.values()].some((one) => one.handed !== handed),
      };
      const handed: HandedRun = new HandedRun(nextId, events, side, worker);
      handed.follow(send(request, handed));
      handed.reply.then(
        (reply) => reply === undefined && runs.returned(request),
        () => undefined,
      );
      return handed;
    },
    memory: async () => 0,
    stop: async () => die(),
    kill: async () => {
      unread = [];
      die();
      await exited;
    },
  };
}

/** As many output rows as input rows. */
function outputsOf(parts: readonly Payload[]): Payload {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return {
    rows,
    tensors: [{ name: 'y', type: 'uint8', shape: [1], data: new Uint8Array(rows) }],
  };
}
