import { afterEach, beforeEach, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { useRedis } from '../../support/redis.js';
import { WorkerKit } from './worker-kit.js';

const redis = useRedis();
let kit: WorkerKit;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
});
afterEach(() => kit.close());

const mixed = () => new InferError('ROWS_MIXED', 'output y of a row changes by 12 %');

/** The results of jobs once all exist. */
async function answers(...jobs: { id: string; xs: number[] }[]): Promise<void> {
  for (const { id, xs } of jobs) {
    await expect.poll(() => kit.result(0, id)).toEqual(xs.map((value) => value + 0.5));
  }
}

it('rows seen to affect each other run one by one, those of the run and all later ones', async () => {
  const jobs = [await kit.submit(0, 5, 3), await kit.submit(0, 5, 1)];
  const worker = await kit.start();
  const first = await kit.runner.next();
  expect(first.xs).toEqual(jobs.flatMap(({ xs }) => xs));
  // It waits in the worker behind the run, planned for four rows at once.
  jobs.push(await kit.submit(0, 5, 4));
  kit.runner.auto = () => undefined;
  first.fail(mixed());
  await answers(...jobs);
  expect(kit.runner.all.slice(1).every((xs) => xs.length === 1)).toBe(true);
  expect(
    kit.runner.all
      .slice(1)
      .flat()
      .sort((a, b) => a - b),
  ).toEqual(jobs.flatMap(({ xs }) => xs));
  expect(worker.heartbeat().models).toEqual([
    expect.objectContaining({
      batch: 1,
      unbatched: { reason: 'ROWS_MIXED', text: 'output y of a row changes by 12 %' },
    }),
  ]);
});

it('a heartbeat has no unbatched field for a model that batches', async () => {
  const worker = await kit.start();
  expect(worker.heartbeat().models[0]).not.toHaveProperty('unbatched');
});
