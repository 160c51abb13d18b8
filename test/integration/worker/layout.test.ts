import { afterEach, beforeEach, expect, it } from 'vitest';
import { LAYOUTS, markOf, newestOf } from '../../../src/lib/queue/layout.js';
import type { Logger } from '../../../src/lib/telemetry/logger.js';
import { LayoutWatch } from '../../../src/lib/worker/layout-watch.js';
import { useRedis } from '../../support/redis.js';
import type { QueueKit } from '../queue/queue-kit.js';
import { WorkerKit } from './worker-kit.js';

const NEXT = { number: newestOf(LAYOUTS).number + 1, since: '9.8.0' };
const layout = markOf(NEXT);

const redis = useRedis();
let kit: WorkerKit;
let queue: QueueKit;
beforeEach(async () => {
  kit = await WorkerKit.open(redis);
  queue = kit.lanes[0] as QueueKit;
  kit.runner.auto = () => undefined;
});
afterEach(() => kit.close());

/** The fields of lines logged as errors. */
function errors(): { log: Logger; said: unknown[] } {
  const said: unknown[] = [];
  const log = { error: (facts: object, text: string) => said.push({ ...facts, text }) };
  return { log: log as unknown as Logger, said };
}

it('a worker leaves jobs of a newer layout to workers that can read it, and names the release once', async () => {
  const jobs = [await kit.submit(0, 9, 1, { layout }), await kit.submit(0, 9, 1, { layout })];
  const own = await kit.submit(0);
  await kit.start({ burst: true });
  await kit.ended;
  expect(await queue.states([own.id, ...jobs.map(({ id }) => id)])).toEqual([
    'completed',
    'waiting',
    'waiting',
  ]);

  const { log, said } = errors();
  const watch = new LayoutWatch([await queue.consumer()], log);
  await watch.look();
  await watch.look();
  expect(said).toEqual([
    {
      queue: queue.queue,
      jobs: 2,
      model: 'm',
      layout: NEXT.number,
      needs: '9.8.0',
      fix: 'upgrade infer here to 9.8.0 or newer',
      text: expect.stringContaining('newer infer'),
    },
  ]);

  await kit.start({ burst: true, layouts: [...LAYOUTS, NEXT] });
  await kit.ended;
  for (const { id, xs } of jobs) {
    expect(await queue.record(id)).toMatchObject({ state: 'completed', attempts: 1 });
    expect(await kit.result(0, id)).toEqual([(xs[0] as number) + 0.5]);
  }
  await watch.look();
  expect(said).toHaveLength(1);
});

it('a worker returns a job of which only the data is newer, and continues with others', async () => {
  const { id } = await kit.submit(0, 9, 1, { layout });
  await queue.client.hset(queue.base + id, 'name', 'm#1');
  const own = await kit.submit(0);
  await kit.start({ burst: true });
  await kit.ended;
  expect(await queue.states([own.id, id])).toEqual(['completed', 'delayed']);
  expect(await queue.record(id)).toMatchObject({ attempts: 0 });
  expect((await queue.record(id)).failure).toBeUndefined();
  await queue.passTime(31_000);
  await kit.start({ burst: true, layouts: [...LAYOUTS, NEXT] });
  await kit.ended;
  expect(await queue.record(id)).toMatchObject({ state: 'completed', attempts: 1 });
});
