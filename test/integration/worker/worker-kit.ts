import { InferError } from '../../../src/lib/core/errors.js';
import { decodeEnvelope, encodeEnvelope } from '../../../src/lib/model/envelope.js';
import type { LoadedModel, Runner, RunReply, RunRequest } from '../../../src/lib/model/runner.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import { PreparePool } from '../../../src/lib/prepare/prepare-pool.js';
import type { QueueConsumer } from '../../../src/lib/queue/broker/consumer-port.js';
import { BrokerResults } from '../../../src/lib/queue/broker/result-store.js';
import type { JobSpec, PartialMeta } from '../../../src/lib/queue/types.js';
import type { PreparePlan } from '../../../src/lib/task/prepare-plan.js';
import { prepareOrder } from '../../../src/lib/worker/preparing.js';
import { RunnerPool } from '../../../src/lib/worker/runner-pool.js';
import { RunnerSlot } from '../../../src/lib/worker/runner-slot.js';
import { Worker } from '../../../src/lib/worker/worker.js';
import type { WorkerOptions } from '../../../src/lib/worker/worker-parts.js';
import type { TestRedis } from '../../support/redis.js';
import { silentLogger } from '../../support/silent-logger.js';
import { PREFIX, QueueKit } from '../queue/queue-kit.js';

/** One micro-batch held by the runner: the test says when and how it ends. */
export interface Run {
  /** The x of every row, in order. */
  readonly xs: number[];
  /** Answers x + 0.5 for every row, after a run that claims to have taken this many ms [1]. */
  finish(runMs?: number): void;
  /** The same for all rows except those at `places`, which fail. */
  finishBut(error: InferError, ...places: number[]): void;
  fail(error: Error): void;
}

const x = {
  name: 'x',
  type: 'float32',
  shape: [1],
  shared: false,
  batchAxis: 0,
  modelShape: ['b', 1],
} as const;
const tensor = { ...x, shape: [1], modelShape: ['b', 1] };

function model(batchable: boolean): LoadedModel {
  return {
    signature: {
      name: 'm',
      version: 1,
      task: 'tensor',
      batchable,
      inputs: [tensor],
      outputs: [{ ...tensor, name: 'y' }],
      sizeBytes: 1,
      digest: '0',
      warnings: [],
    },
    device: 'cpu',
    loadMs: 0,
    content: { digest: '0', files: [] },
    mapped: [],
  };
}

type Preparers = Pick<PreparePool, 'prepare' | 'size'>;

const RAW: PreparePlan = {
  kind: 'image',
  from: 'x',
  input: 'x',
  type: 'float32',
  shape: [1],
  image: {
    kernel: 'box',
    crop: { height: 1, width: 1 },
    rescale: 1,
    mean: [0],
    std: [1],
    colors: 'gray',
    layout: 'chw',
  },
};

function floats(name: string, values: readonly number[]): Payload {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { rows: values.length, tensors: [{ name, type: 'float32', shape: [1], data }] };
}

function valuesOf(payload: Payload): number[] {
  const data = Buffer.from(payload.tensors[0]?.data ?? []);
  return Array.from({ length: payload.rows }, (_, i) => data.readFloatLE(i * 4));
}

export const died = () => new InferError('RUNNER_DIED', 'killed by SIGSEGV');

/** A runner whose every run waits for the test; counts its starts. */
class HeldRunner {
  starts = 0;
  readonly all: number[][] = [];
  private readonly runs: Run[] = [];
  private readonly waiting: ((run: Run) => void)[] = [];
  /** If set, runs end automatically, with this error if it returns one. */
  auto: ((xs: number[]) => Error | undefined) | undefined;

  /** The next run that starts, or one that has started and was not yet returned. */
  next(): Promise<Run> {
    const run = this.runs.shift();
    if (run !== undefined) return Promise.resolve(run);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** If set, the next starts wait for it. */
  gate: Promise<void> | undefined;

  start = async (): Promise<Runner> => {
    this.starts += 1;
    await this.gate;
    return {
      pid: 1,
      exited: new Promise(() => undefined),
      load: async () => model(true),
      unload: async () => undefined,
      run: (request) => this.run(request),
      memory: async () => 0,
      stop: async () => undefined,
      kill: async () => undefined,
    };
  };

  private run({ parts }: RunRequest): Promise<RunReply> {
    const xs = parts.flatMap(valuesOf);
    this.all.push(xs);
    return new Promise((resolve, reject) => {
      let ms = 1;
      const finishBut = (error?: InferError, ...places: number[]) => {
        const good = xs.filter((_, at) => !places.includes(at));
        resolve({
          outputs: floats(
            'y',
            good.map((value) => value + 0.5),
          ),
          failed: error === undefined ? [] : places.map((row) => ({ row, error })),
          runMs: ms,
        });
      };
      const finish = (runMs = 1) => {
        ms = runMs;
        finishBut();
      };
      const run: Run = { xs, finish, finishBut, fail: reject };
      if (this.auto !== undefined) {
        const error = this.auto(xs);
        if (error === undefined) finish();
        else reject(error);
        return;
      }
      const waiter = this.waiting.shift();
      if (waiter === undefined) this.runs.push(run);
      else waiter(run);
    });
  }
}

let nextX = 0;

/** A worker on real Redis with a held runner; lanes are queues in order of urgency. */
export class WorkerKit {
  readonly runner = new HeldRunner();
  /** If set, taken jobs reach the worker only after it. */
  afterTake: Promise<void> | undefined;
  private running: { worker: Worker; done: Promise<void> } | undefined;

  private constructor(readonly lanes: QueueKit[]) {}

  static async open(redis: TestRedis, lanes = 1): Promise<WorkerKit> {
    return new WorkerKit(await Promise.all(Array.from({ length: lanes }, () => QueueKit.open(redis))));
  }

  /** A worker whose model takes raw rows, which `preparers` turn into x. */
  startRaw(preparers: Preparers): Promise<Worker> {
    return this.start({}, true, preparers);
  }

  async start(more: Partial<WorkerOptions> = {}, batchable = true, preparers?: Preparers): Promise<Worker> {
    const loaded = preparers === undefined ? model(batchable) : { ...model(true), prepare: RAW };
    const log = silentLogger();
    const options = { provider: 'cpu', requireGpu: false, threads: 1, modelsDir: '' } as const;
    const pool = new RunnerPool(
      (index, wanted) => new RunnerSlot(index, this.runner.start, options, wanted, log),
      ['m'],
      log,
    );
    await pool.open(1);
    const worker = new Worker(
      {
        id: 'w',
        name: 'w',
        version: '0',
        gpu: null,
        maxBatch: 4,
        latencyTargetMs: 20,
        batchWindowMs: 0,
        burst: false,
        maxJobs: undefined,
        ...more,
      },
      {
        consumers: await Promise.all(this.lanes.map((lane) => this.consumerOf(lane, more))),
        pool,
        models: [loaded],
        preparers: preparers ?? new PreparePool(prepareOrder),
        clock: (this.lanes[0] as QueueKit).clock,
        log: silentLogger(),
      },
    );
    this.running = { worker, done: worker.run() };
    return worker;
  }

  private async consumerOf(lane: QueueKit, { layouts }: Partial<WorkerOptions>): Promise<QueueConsumer> {
    const consumer = await lane.consumer({ layouts });
    const take = consumer.take.bind(consumer);
    consumer.take = async (...wanted) => {
      const jobs = await take(...wanted);
      await this.afterTake;
      return jobs;
    };
    return consumer;
  }

  /**
   * Starts a worker that has timed a run, before which it prefetches nothing; `submit` adds jobs that all exist at
   * once.
   */
  async startWarm<T>(submit: () => Promise<T>, more: Partial<WorkerOptions> = {}): Promise<[Worker, T]> {
    const worker = await this.start(more);
    const { id } = await this.submit(0);
    (await this.runner.next()).finish();
    const kit = this.lanes[0] as QueueKit;
    while ((await kit.record(id)).state !== 'completed');
    await Promise.all(this.lanes.map((lane) => lane.producer.setPaused(lane.queue, true)));
    const jobs = await submit();
    await Promise.all(this.lanes.map((lane) => lane.producer.setPaused(lane.queue, false)));
    return [worker, jobs];
  }

  /** Submits a job of `rows` rows to a lane; its rows' x are whole numbers that no other job has. */
  async submit(
    lane: number,
    priority = 0,
    rows = 1,
    more: Partial<JobSpec> = {},
  ): Promise<{ id: string; xs: number[] }> {
    const xs = Array.from({ length: rows }, () => ++nextX);
    const input = encodeEnvelope(floats('x', xs));
    const [id] = await (this.lanes[lane] as QueueKit).submit({ priority, rows, ...more, input });
    return { id: id as string, xs };
  }

  async result(lane: number, id: string): Promise<number[] | undefined> {
    const { client, queue } = this.lanes[lane] as QueueKit;
    const bytes = await new BrokerResults(client, PREFIX).read(queue, id);
    return bytes === undefined ? undefined : valuesOf(decodeEnvelope(bytes).payload);
  }

  /** What a partial result says about rows without an output. */
  async partialMeta(lane: number, id: string): Promise<PartialMeta> {
    const { client, queue } = this.lanes[lane] as QueueKit;
    const bytes = await new BrokerResults(client, PREFIX).read(queue, id);
    return decodeEnvelope(bytes as Buffer).meta as unknown as PartialMeta;
  }

  /** The end of the worker's `run`. */
  get ended(): Promise<void> {
    return (this.running as { done: Promise<void> }).done;
  }

  async close(): Promise<void> {
    this.runner.auto ??= () => undefined;
    await this.running?.worker.leave();
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }
}
