import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InferClient } from '../../../src/lib/client/client.js';
import { bullBase, queueTag, statsKey } from '../../../src/lib/queue/keys.js';
import { STATS } from '../../../src/lib/queue/wire.js';
import { bucketAt } from '../../../src/lib/queue/work-stats.js';
import type { Caller, TokenLimits } from '../../../src/lib/serve/auth/caller.js';
import { openAdmissions } from '../../../src/lib/serve/gateway/admissions.js';
import { type Admission, admit, type WantedWork } from '../../../src/lib/serve/gateway/admit.js';
import type { Gateway, GatewayLimits } from '../../../src/lib/serve/gateway/gateway.js';
import { Refusal } from '../../../src/lib/serve/http/refusal.js';
import { until } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { silentLogger } from '../../support/silent-logger.js';

const redis = useRedis();
const prefix = 'infer';
const clients: InferClient[] = [];
const [drain] = [new AbortController()];
const row = Array.from({ length: 64 }, () => 0);

beforeAll(async () => {
  for (let i = 0; i < 2; i++) clients.push(await InferClient.connect({ redis: redis.url }));
});
afterAll(() => Promise.all(clients.map((client) => client.close())));

/** Two gateways have a client each, and know nothing of one another. */
function gateway(at: 0 | 1 = 0, limits: Partial<GatewayLimits> = {}): Gateway {
  const client = clients[at] as InferClient;
  return {
    client,
    prefix,
    limits: { maxBody: 1000, maxWaitMs: 1000, maxWaiting: undefined, ...limits },
    log: silentLogger(),
    draining: drain.signal,
    admissions: openAdmissions(client.redis, prefix),
  } as unknown as Gateway;
}

let tokens = 0;
const tokenWith = (limits: TokenLimits, models?: string[]): Caller => ({
  name: `token-${++tokens}`,
  allows: () => true,
  limits,
  ...(models === undefined ? {} : { models }),
});

let queues = 0;
const wanted = (more: Partial<WantedWork> = {}): WantedWork => ({
  queue: `q${queues}`,
  model: 'digits',
  rows: 1,
  ...more,
});
const newQueue = () => `q${++queues}`;

async function refused(work: Promise<unknown>): Promise<Refusal> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Refusal);
  return error as Refusal;
}

const submitOne = async (at: 0 | 1, admission: Admission, queue: string) => {
  const job = await (clients[at] as InferClient).submit(row, { queue, model: 'digits' });
  admission.submitted(job);
  return job;
};

describe('a rate', () => {
  it('applies to all gateways together, and refuses with the time to retry after', async () => {
    const caller = tokenWith({ rate: 0.1, burst: 3 });
    const [one, two] = [gateway(0), gateway(1)];
    const first = await admit(one, caller, wanted());
    expect(first.headers).toEqual({
      'ratelimit-policy': '"rate";q=3;w=30',
      ratelimit: expect.stringMatching(/^"rate";r=2;t=(10|11)$/),
    });
    await admit(two, caller, wanted());
    const third = await admit(one, caller, wanted());
    expect(third.headers.ratelimit).toMatch(/^"rate";r=0;t=(29|30|31)$/);
    for (const either of [two, one]) {
      const refusal = await refused(admit(either, caller, wanted()));
      expect(refusal).toMatchObject({ code: 'RATE_LIMIT', members: { 'violated-policies': ['rate'] } });
      expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(5);
      expect(Number(refusal.headers['retry-after'])).toBeLessThanOrEqual(10);
    }
  });

  it('is refilled, and a refused request does not count', async () => {
    const caller = tokenWith({ rate: 20, burst: 1 });
    const at = gateway();
    await admit(at, caller, wanted());
    const early = await Promise.all(
      Array.from({ length: 20 }, () => admit(at, caller, wanted()).catch((error: Refusal) => error.code)),
    );
    expect(early).toContain('RATE_LIMIT');
    await until(async () => admit(at, caller, wanted()).catch(() => undefined), 5000);
  });

  it('of a model applies in addition to that of the token, and only to this model', async () => {
    const caller = tokenWith({ rate: 0.001, burst: 3, models: { ocr: { rate: 0.001, burst: 1 } } });
    const at = gateway();
    const { headers } = await admit(at, caller, wanted({ model: 'ocr' }));
    expect(headers['ratelimit-policy']).toMatch(/^"rate";q=3;w=3000, "model-rate";q=1;w=1000$/);
    const refusal = await refused(admit(at, caller, wanted({ model: 'ocr' })));
    expect(refusal.members).toEqual({ 'violated-policies': ['model-rate'] });
    // What the model's limit refused did not count for the token's.
    await admit(at, caller, wanted());
    await admit(at, caller, wanted());
    expect(await refused(admit(at, caller, wanted()))).toMatchObject({ code: 'RATE_LIMIT' });
  });
});

describe('unfinished and waiting jobs', () => {
  it('are counted at all gateways together, until a job has ended', async () => {
    const queue = newQueue();
    const caller = tokenWith({ jobs: 2 });
    const jobs = [
      await submitOne(0, await admit(gateway(0), caller, wanted()), queue),
      await submitOne(1, await admit(gateway(1), caller, wanted()), queue),
    ];
    const refusal = await refused(admit(gateway(0), caller, wanted()));
    expect(refusal).toMatchObject({ code: 'JOBS_LIMIT', members: { 'violated-policies': ['jobs'] } });
    expect(refusal.headers.ratelimit).toBe('"jobs";r=0');
    expect(refusal.headers['ratelimit-policy']).toBe('"jobs";q=2;qu="concurrent-requests"');
    expect(refusal.headers['retry-after']).toMatch(/^([1-9]|[1-5]\d|60)$/);
    await clients[0]?.cancel(jobs[0]?.id as string);
    // No one said that it has ended: the look at the limit finds out, a second after the last one at the latest.
    await until(async () => admit(gateway(1), caller, wanted()).catch(() => undefined), 10_000);
    expect(await refused(admit(gateway(0), caller, wanted()))).toMatchObject({ code: 'JOBS_LIMIT' });
  });

  it('are freed immediately when the gateway reports their end', async () => {
    const caller = tokenWith({ jobs: 1, waiting: 1 });
    const admission = await admit(gateway(0), caller, wanted());
    const job = await submitOne(0, admission, newQueue());
    admission.over();
    const next = await admit(gateway(0), caller, wanted());
    next.over();
    await admit(gateway(1), caller, wanted());
    await clients[0]?.cancel(job.id);
  });

  it('do not stay counted if a gateway died between admission and submit', async () => {
    const caller = tokenWith({ jobs: 1 });
    await admit(gateway(0), caller, wanted());
    expect(await refused(admit(gateway(1), caller, wanted()))).toMatchObject({ code: 'JOBS_LIMIT' });
    // Its ticket lapses after a minute: here it is made older.
    const client = await redis.client();
    const key = `{infer}:quota:jobs:${caller.name}`;
    const [ticket = ''] = await client.zrange(key, '0', '-1');
    await client.zadd(key, String(Date.now() - 1), ticket);
    await admit(gateway(1), caller, wanted());
    expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  it('of a request with several jobs stay counted until it is over, however long it takes', async () => {
    const caller = tokenWith({ jobs: 1 });
    const at = gateway(0);
    const admission = await admit(at, caller, wanted());
    admission.lasting();
    const client = await redis.client();
    const key = `{infer}:quota:jobs:${caller.name}`;
    const [ticket = ''] = await client.zrange(key, '0', '-1');
    await client.zadd(key, String(Date.now() + 1000), ticket);
    await at.admissions.quotas.keep([{ kind: 'jobs', owner: caller.name as string, most: 1 }], ticket);
    expect(Number(await client.zscore(key, ticket))).toBeGreaterThan(Date.now() + 50_000);
    expect(await refused(admit(gateway(1), caller, wanted()))).toMatchObject({ code: 'JOBS_LIMIT' });
    admission.over();
    await until(async () => admit(gateway(1), caller, wanted()).catch(() => undefined), 5000);
    // What is over is not counted again.
    await at.admissions.quotas.keep([{ kind: 'jobs', owner: caller.name as string, most: 1 }], ticket);
    expect(await client.zscore(key, ticket)).toBeNull();
  });

  it('count a group once, until it has ended', async () => {
    const queue = newQueue();
    const caller = tokenWith({ jobs: 1, waiting: 1 });
    const admission = await admit(gateway(0), caller, wanted());
    const group = await (clients[0] as InferClient).submitRows([row, row, row], { queue, model: 'digits' });
    admission.submitted({ id: group.group, queue, kind: 'group' });
    expect(await refused(admit(gateway(1), caller, wanted()))).toMatchObject({ code: 'JOBS_LIMIT' });
    await clients[0]?.cancel(group.group);
    await until(async () => admit(gateway(1), caller, wanted()).catch(() => undefined), 10_000);
  });

  it('count as waiting only until they start', async () => {
    const queue = newQueue();
    const caller = tokenWith({ waiting: 1 });
    const job = await submitOne(0, await admit(gateway(0), caller, wanted()), queue);
    expect(await refused(admit(gateway(0), caller, wanted()))).toMatchObject({ code: 'WAITING_LIMIT' });
    const client = await redis.client();
    const base = bullBase(prefix, queue);
    await client.zrem(`${base}prioritized`, job.id);
    await client.lpush(`${base}active`, job.id);
    await until(async () => admit(gateway(0), caller, wanted()).catch(() => undefined), 10_000);
  });
});

describe('a queue', () => {
  it('that is full accepts no more from anyone, and says when it will be drained', async () => {
    const queue = newQueue();
    const at = gateway(0, { maxWaiting: 2 });
    const anyone: Caller = { name: undefined, allows: () => true };
    for (let i = 0; i < 2; i++) await submitOne(0, await admit(at, anyone, wanted({ queue })), queue);
    const refusal = await refused(admit(at, anyone, wanted({ queue })));
    expect(refusal).toMatchObject({ code: 'QUEUE_FULL', headers: { 'retry-after': '60' } });
    expect(refusal.facts.httpStatus).toBe(503);
    await ended(queue, 10);
    // Ten within ten to twenty seconds: two take two to four.
    const later = await refused(admit(gateway(0, { maxWaiting: 2 }), anyone, wanted({ queue })));
    expect(Number(later.headers['retry-after'])).toBeLessThanOrEqual(4);
    await admit(gateway(1), anyone, wanted({ queue }));
    await admit(at, anyone, wanted({ queue: newQueue() }));
  });

  it('lets no more in than fit, however many ask at the same time', async () => {
    const queue = newQueue();
    const at = gateway(0, { maxWaiting: 5 });
    const anyone: Caller = { name: undefined, allows: () => true };
    const asked = Array.from({ length: 50 }, () => admit(at, anyone, wanted({ queue })));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    for (const one of outcomes)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'QUEUE_FULL' });
  });

  it('with a longer wait than a job may expire after refuses it, by priority', async () => {
    const queue = newQueue();
    const anyone: Caller = { name: undefined, allows: () => true };
    for (let i = 0; i < 40; i++) await clients[0]?.submit(row, { queue, model: 'digits', priority: 5 });
    const ask = (more: Partial<WantedWork>) => admit(gateway(), anyone, wanted({ queue, ...more }));
    // Nothing has ended yet, so nothing can be predicted.
    await ask({ expiresMs: 1 });
    await ended(queue, 3);
    await older(queue, 5000);
    const refusal = await refused(ask({ expiresMs: 2000, priority: 5 }));
    expect(refusal).toMatchObject({ code: 'WAIT_TOO_LONG' });
    expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(5);
    await ask({ expiresMs: 2000, priority: 9 });
    await ask({ expiresMs: 3_600_000, priority: 5 });
    await ask({ priority: 5 });
  });
});

it('refuses a model that the token may not use, and all work while it shuts down', async () => {
  const caller = tokenWith({}, ['ocr']);
  const refusal = await refused(admit(gateway(), caller, wanted()));
  expect(refusal).toMatchObject({ code: 'TOKEN_MODEL', hint: 'it may use: ocr' });
  expect((await admit(gateway(), caller, wanted({ model: 'ocr' }))).headers).toEqual({});
  const leaving = { ...gateway(), draining: AbortSignal.abort() };
  expect(await refused(admit(leaving, caller, wanted({ model: 'ocr' })))).toMatchObject({
    code: 'DRAINING',
    headers: { 'retry-after': '5' },
  });
});

/** Says that so many jobs of a queue ended a moment ago, as workers do. */
async function ended(queue: string, jobs: number): Promise<void> {
  const client = await redis.client();
  const key = statsKey(queueTag(prefix, queue), bucketAt(Date.now()) - 1);
  await client.hset(key, STATS.completed, String(jobs));
}

/** Makes the waiting jobs older. */
async function older(queue: string, ms: number): Promise<void> {
  const client = await redis.client();
  const base = bullBase(prefix, queue);
  for (const id of await client.zrange(`${base}prioritized`, '0', '-1')) {
    const at = Number(await client.hget(base + id, 'timestamp'));
    await client.hset(base + id, 'timestamp', String(at - ms));
  }
}
