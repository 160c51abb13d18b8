import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerQueues } from '../../../src/lib/queue/registry.js';
import { aclRules } from '../../../src/lib/redis/acl.js';
import { denials, setUser } from '../../support/acl.js';
import { useRedis } from '../../support/redis.js';
import { DashboardKit } from './dashboard-kit.js';

const redis = useRedis({ port: true });
const kits: DashboardKit[] = [];

/** A dashboard that connects as this user. */
async function dashboardAs(user: string): Promise<DashboardKit> {
  const url = `redis://${user}:pw@127.0.0.1:${redis.port}`;
  const kit = await DashboardKit.open({ ...redis, url });
  kits.push(kit);
  return kit;
}

beforeAll(async () => {
  await registerQueues(await redis.client(), 'infer', ['batch']);
  const inspector = aclRules('inspector', 'infer');
  await setUser(redis, 'inspector', 'pw', inspector);
  await setUser(redis, 'narrow', 'pw', [...inspector, '-hvals', '-xrevrange']);
});
afterAll(async () => {
  await Promise.all(kits.map((kit) => kit.close()));
});

describe('a Redis user with few rights', () => {
  it('is enough to look at everything with the role inspector', async () => {
    const kit = await dashboardAs('inspector');
    const snapshot = await kit.snapshot();
    for (const part of [
      'totals',
      'problems',
      'queues',
      'workers',
      'starting',
      'models',
      'autoscalers',
    ] as const)
      expect(snapshot[part].error, part).toBeNull();
    expect(snapshot.redis.error).toBeNull();
    expect(snapshot.queues.data?.map(({ name }) => name)).toEqual(['batch']);
    for (const page of ['jobs', 'failures', 'audit'])
      expect((await kit.ask(`/api/${page}`)).status, page).toBe(200);
    const report = /: (xlen|memory\|usage|dbsize|latency\|latest|config\|get)$/;
    // The report on Redis's settings says what it may not read.
    expect((await denials(redis)).filter((denied) => !report.test(denied))).toEqual([]);
    expect((await kit.ask('/api/redis')).status).toBe(200);
  });

  it('lets only that part fail which it may not read, and says why', async () => {
    const kit = await dashboardAs('narrow');
    const snapshot = await kit.snapshot();
    expect(snapshot.starting).toMatchObject({
      data: null,
      error: { code: expect.stringMatching(/^REDIS_/) },
    });
    expect(snapshot.queues.error).toBeNull();
    expect(snapshot.workers.error).toBeNull();
    expect(snapshot.problems.data?.map(({ code }) => code)).toContain('NO_WORKERS');
    expect(snapshot.redisAwaySince).toBeNull();
    const audit = await kit.ask('/api/audit');
    expect(audit.body.code).toMatch(/^REDIS_/);
    expect((await kit.ask('/api/jobs')).status).toBe(200);
  });
});
