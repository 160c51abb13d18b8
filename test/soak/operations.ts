import { setTimeout as delay } from 'node:timers/promises';
import type { InferClient, JobResult, Priority } from '../../src/lib/index.js';
import { POISON_INDEX, pixels } from '../chaos/inputs.js';
import type { Random } from '../chaos/random.js';
import { FRAGILE, FRAGILE_QUEUE } from './models.js';

/** The input of one operation; `n` is unique for every operation of a client. */
export interface Deed {
  infer: InferClient;
  random: Random;
  n: number;
  id: string;
}

export interface Operation {
  /** Share of all jobs that come from this operation; all shares add up to 1. */
  share: number;
  /** Jobs per operation. */
  jobs: number;
  /**
   * Runs it, and returns its outcome in a word.
   * @throws Unexpected for an outcome that must not happen.
   */
  run(deed: Deed): Promise<string>;
}

/** Every promise that an answer broke. */
export class Unexpected extends Error {}

/** A job without an answer after this is counted as lost, ms. */
const LOST_MS = 60_000;
const GROUP_ROWS = 300;
const BAD_ROW = 2;
/** Widths of large inputs: stored with the job, in the arena, and over a separate connection. */
const WIDTHS = [2000, 2000, 2000, 2000, 20_000] as const;
const WIDEST = 200_000;

const LIMIT = { timeoutMs: LOST_MS };

export const OPERATIONS = {
  call: {
    share: 0.48,
    jobs: 1,
    run: async ({ infer, random, n }) => {
      const { input, model, right } = smallInput(n);
      const priority = random.int(5, 9) as Priority;
      const job = completed(await infer.run(input, { model, priority, ...LIMIT }));
      if (!right(job.result)) throw new Unexpected(`wrong answer of ${model}`);
      return 'answered';
    },
  },
  post: {
    share: 0.24,
    jobs: 1,
    run: async ({ infer, random, n }) => {
      const { input, model } = smallInput(n);
      const queue = random.pick(['realtime', 'batch']);
      const priority = random.int(0, 4) as Priority;
      const kept = random.chance(0.5);
      await infer.submit(input, { model, queue, priority, ...(kept ? {} : { resultTtl: 0 }) });
      return kept ? 'not fetched' : 'no result';
    },
  },
  fetch: {
    share: 0.1,
    jobs: 1,
    run: async ({ infer, random, n, id }) => {
      const { input, model, right } = smallInput(n);
      await infer.submit(input, { id, model, queue: 'batch', expiresMs: LOST_MS });
      await delay(random.int(0, 3000));
      const waited = completed(await infer.wait(id, LIMIT));
      const read = completed(await infer.result(id));
      if (!right(waited.result) || !right(read.result)) throw new Unexpected(`wrong answer of ${model}`);
      return 'fetched';
    },
  },
  large: {
    share: 0.03,
    jobs: 1,
    run: async ({ infer, random, n }) => {
      const width = random.chance(0.01) ? WIDEST : random.pick(WIDTHS);
      const row = new Float32Array(width).fill(n % 1000);
      const job = completed(await infer.run({ x: row }, { model: 'wide', ...LIMIT }));
      const { y } = job.result as { y: number[] };
      if (y.length !== width || y[0] !== 2 * (n % 1000) || y.at(-1) !== y[0]) {
        throw new Unexpected('wrong answer of wide');
      }
      return width === WIDEST ? 'largest' : 'large';
    },
  },
  delayed: {
    share: 0.05,
    jobs: 1,
    run: async ({ infer, random, n, id }) => {
      const { input, model } = smallInput(n);
      const delayMs = random.int(100, 2000);
      await infer.submit(input, { id, model, queue: 'batch', delayMs });
      completed(await infer.wait(id, LIMIT));
      return 'started later';
    },
  },
  partial: {
    share: 0.02,
    jobs: 1,
    run: async ({ infer, n }) => {
      const index = Array.from({ length: 5 }, (_, row) => [row === BAD_ROW ? POISON_INDEX : (n + row) % 4]);
      const job = await infer.run({ index }, { model: 'poison', queue: 'batch', ...LIMIT });
      if (job.error?.code !== 'ROWS_FAILED' || job.failedRows?.join() !== String(BAD_ROW)) throw wrong(job);
      return 'rows failed';
    },
  },
  twice: {
    share: 0.02,
    jobs: 1,
    run: async ({ infer, n, id }) => {
      const { input, model } = smallInput(n);
      const submit = () => infer.submit(input, { model, id });
      await Promise.all([submit(), submit()]);
      const job = completed(await infer.wait(id, LIMIT));
      if (job.attempts !== 1) throw new Unexpected(`one id was run ${job.attempts} times`);
      return 'one job';
    },
  },
  deadline: {
    share: 0.001,
    jobs: 1,
    run: async ({ infer, n, id }) => {
      const { input, model } = smallInput(n);
      await infer.submit(input, { id, model, queue: 'batch', expiresMs: 1 });
      const { state } = await infer.wait(id, LIMIT);
      return state === 'expired' || state === 'completed' ? state : throwing(`${state} instead of expired`);
    },
  },
  cancel: {
    share: 0.001,
    jobs: 1,
    run: async ({ infer, random, n, id }) => {
      const running = random.chance(0.5);
      if (running) {
        await infer.submit({ x: [n % 1000, 0], turns: [60] }, { id, model: 'slow', queue: 'batch' });
        await delay(random.int(0, 300));
      } else {
        const { input, model } = smallInput(n);
        await infer.submit(input, { id, model, queue: 'batch', delayMs: LOST_MS });
      }
      const state = await infer.cancel(id);
      return state === 'cancelled' || running ? state : throwing(`${state} instead of cancelled`);
    },
  },
  retry: {
    share: 0.004,
    jobs: 2,
    run: async ({ infer, id }) => {
      const input = { index: [POISON_INDEX] };
      const first = await infer.run(input, { id, model: 'poison', queue: 'batch', ...LIMIT });
      if (first.error?.code !== 'RUN_FAILED') throw wrong(first);
      const { count } = await infer.retry(id);
      const again = await infer.wait(id, LIMIT);
      if (count !== 1 || again.error?.code !== 'RUN_FAILED') throw wrong(again);
      return 'run again';
    },
  },
  limit: {
    share: 0.0005,
    jobs: 1,
    run: async ({ infer, n }) => {
      const x = Array.from({ length: 60 }, () => [n % 1000, 0]);
      const input = { x, turns: [2] };
      const job = await infer.run(input, { model: 'slow', queue: 'batch', softTimeLimitMs: 5, ...LIMIT });
      if (job.error?.code !== 'SOFT_TIME_LIMIT' && job.state !== 'completed') throw wrong(job);
      return job.error === undefined ? 'in time' : 'stopped';
    },
  },
  fragile: {
    share: 0.0135,
    jobs: 1,
    run: async ({ infer, random, n }) => {
      const crash = random.chance(0.015);
      const options = { model: FRAGILE, queue: FRAGILE_QUEUE, retries: 3, retryDelayMs: 300, ...LIMIT };
      const job = await infer.run({ x: n % 1000, crash }, options);
      if (job.state === 'failed' && crash && job.error?.code === 'RUNNER_DIED') return 'given up';
      completed(job);
      return job.attempts > 1 ? 'retried' : 'first try';
    },
  },
  group: {
    share: 0.04,
    jobs: 2,
    run: async ({ infer, n, id }) => {
      const rows = Array.from({ length: GROUP_ROWS }, (_, row) => pixels(n * GROUP_ROWS + row));
      const group = await infer.submitRows(rows, { model: 'digits', id });
      if (n % 101 === 0) return infer.cancel(id).then(() => 'cancelled');
      if (n % 4 === 0) return 'not fetched';
      let seen = 0;
      if (n % 4 === 1) {
        for await (const piece of infer.groupChunks(await infer.group(id))) seen += piece.rows;
        await infer.waitGroup(id, LIMIT);
      } else {
        for await (const { error } of group.results(LIMIT)) seen += error === undefined ? 1 : 0;
      }
      if (seen !== GROUP_ROWS) throw new Unexpected(`${seen} of ${GROUP_ROWS} rows`);
      return n % 4 === 1 ? 'read early' : 'read whole';
    },
  },
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Outcomes that must have happened at least once in a run, otherwise a feature was not tried. */
export const NEEDED: readonly string[] = [
  'call answered',
  'post not fetched',
  'post no result',
  'fetch fetched',
  'large large',
  'large largest',
  'delayed started later',
  'partial rows failed',
  'twice one job',
  'deadline expired',
  'cancel cancelled',
  'retry run again',
  'limit stopped',
  'fragile retried',
  'group not fetched',
  'group read early',
  'group read whole',
  'group cancelled',
];

/** A row of one of the small models, and its right answer. */
function smallInput(n: number): { input: unknown; model: string; right(result: unknown): boolean } {
  const text = `row ${n}`;
  if (n % 4 === 0) {
    const right = (result: unknown) => ((result as { out: string[] }).out ?? [])[0] === text;
    return { input: { text: [text] }, model: 'echo', right };
  }
  if (n % 4 === 1) {
    const right = (result: unknown) => (result as { length: number }).length === text.length;
    return { input: { text }, model: 'shout', right };
  }
  if (n % 4 === 2) {
    const index = (n >> 2) % 4;
    const right = (result: unknown) => ((result as { y: number[] }).y ?? [])[0] === 10 * (index + 1);
    return { input: { index: [index] }, model: 'poison', right };
  }
  const right = (result: unknown) => Number.isInteger((result as { class: number }).class);
  return { input: pixels(n), model: 'digits', right };
}

function completed(job: JobResult): JobResult {
  if (job.state !== 'completed') throw wrong(job);
  return job;
}

function wrong({ state, error, attempts }: JobResult): Unexpected {
  return new Unexpected(`${state} ${error?.code ?? ''} after ${attempts} attempts`);
}

function throwing(message: string): never {
  throw new Unexpected(message);
}
