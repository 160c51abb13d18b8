import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { startRedis, useRedis } from '../../support/redis.js';
import { DashboardKit, useDashboard } from './dashboard-kit.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });
const dashboard = useDashboard(redis);

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime', '--name', 'w1']);
  for (let priority = 0; priority < 3; priority++) {
    await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'doubler', input: [1, 2, 3, 4], queue: 'idle', priority },
    });
  }
  const done = { model: 'doubler', input: [1, 2, 3, 4], queue: 'realtime' };
  const answer = await gateway.ask('POST', '/v1/jobs', { json: done, headers: { prefer: 'wait=20' } });
  expect(answer.status).toBe(200);
});

describe('the stream', () => {
  it('shows what inspect shows: counts, workers, figures and problems with their fix', async () => {
    const snapshot = await dashboard.snapshot(
      ({ totals }) => (totals.data?.lastMinute.completed ?? 0) > 0 && totals.data?.busy !== null,
    );
    const { queues, problems, workers } = (await infer.run(['inspect', '--json'])).json() as {
      queues: { name: string; waiting: number; byPriority: number[] }[];
      problems: { code: string; fix: string }[];
      workers: { name: string }[];
    };
    const idle = snapshot.queues.data?.find(({ name }) => name === 'idle');
    expect(idle).toMatchObject({ waiting: 3, workers: 0, byPriority: [1, 1, 1, 0, 0, 0, 0, 0, 0, 0] });
    expect(idle?.waiting).toBe(queues.find(({ name }) => name === 'idle')?.waiting);
    expect(snapshot.problems.data).toEqual(problems);
    expect(snapshot.workers.data?.map(({ name }) => name)).toEqual(workers.map(({ name }) => name));
    expect(snapshot.totals.data).toMatchObject({ waiting: 3, workers: 1, devices: 1, failedShare: 0 });
    expect(snapshot.totals.data?.lastMinute.totalMs?.p95).toBeGreaterThan(0);
    const doubler = snapshot.models.data?.find(({ name }) => name === 'doubler');
    expect(doubler).toMatchObject({ workers: 1, queues: [{ queue: 'realtime', jobs: 1, share: 1 }] });
    expect(snapshot.redis.data).toMatchObject({ memory: 'unlimited', label: redis.target.label });
    expect(snapshot.redisAwaySince).toBeNull();
  });

  it('sends the same snapshots to all pages, and none is made while no page is open', async () => {
    const [one, two] = [dashboard.events(), dashboard.events()];
    const numbers = async (events: typeof one): Promise<number[]> => {
      const seen: number[] = [];
      for await (const { event, data } of events) {
        if (event === 'snapshot') seen.push(data.seq);
        if (seen.length === 3) return seen;
      }
      return seen;
    };
    const [first, second] = await Promise.all([numbers(one), numbers(two)]);
    expect(Math.max(first.at(-1) as number, second.at(-1) as number) - (first[0] as number)).toBeLessThan(4);
    const commands = async () => {
      const client = await redis.client();
      const info = (await client.call('INFO', 'commandstats')) as string;
      return Number(/cmdstat_hkeys:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    // The running snapshot may still be under way.
    await expect.poll(async () => (await commands()) - (await commands())).toBe(0);
    const before = await commands();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    // Workers read the names of queues, too, but not every second.
    expect((await commands()) - before).toBeLessThanOrEqual(1);
    const fresh = await dashboard.snapshot();
    expect(fresh.seq).toBeGreaterThan(Math.max(...first, ...second));
  });

  it('goes on without Redis, says since when it is away, and keeps what it knew with its time', async () => {
    const lost = await startRedis({ port: true });
    const kit = await DashboardKit.open(lost);
    try {
      let known = 0;
      let away = 0;
      for await (const { event, data } of kit.events()) {
        if (event !== 'snapshot') continue;
        if (known === 0) {
          expect(data.queues.error).toBeNull();
          known = data.queues.at;
          await lost.kill();
        } else if (data.redisAwaySince !== null && away === 0) {
          away = data.redisAwaySince;
          expect(data.queues).toMatchObject({ data: [], error: { code: expect.stringMatching(/^REDIS_/) } });
          expect(data.queues.at).toBeLessThanOrEqual(away);
          expect(data.at).toBeGreaterThanOrEqual(away);
          await lost.restart();
        } else if (away > 0 && data.redisAwaySince === null) {
          expect(data.queues.error).toBeNull();
          expect(data.queues.at).toBeGreaterThan(known);
          break;
        }
      }
      expect(away).toBeGreaterThan(0);
    } finally {
      await kit.close();
      await lost.stop();
    }
  });

  it('ends with a reason when the server stops', async () => {
    const kit = await DashboardKit.open(redis);
    const reasons: unknown[] = [];
    for await (const { event, data } of kit.events()) {
      if (event === 'snapshot') void kit.close();
      if (event === 'end') reasons.push(data.reason);
    }
    expect(reasons).toEqual(['the server is shutting down']);
  });
});
