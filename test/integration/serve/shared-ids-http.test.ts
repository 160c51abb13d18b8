import { beforeAll, describe, expect, it } from 'vitest';
import { quotaKey } from '../../../src/lib/queue/keys.js';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const NDJSON = { 'content-type': 'application/x-ndjson' };
const json = { model: 'doubler', input: [1, 2, 3, 4] };
const rows = (...firsts: number[]) => firsts.map((i) => `[${i},0,0,0]\n`).join('');
/** Runs for minutes unless it is stopped. */
const LONG = { model: 'slow', input: { x: [0, 0], turns: [1_000_000] } };
const FAILS = { model: 'poison', input: [7], retries: 0 };
const stateOf = async (id: string, as?: string) =>
  (await gateway.ask('GET', `/v1/jobs/${id}`, as === undefined ? {} : { as })).body.state;

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

describe('ids that callers choose', () => {
  it('a group cannot use or change the job of another token as its chunk', async () => {
    const address = '/v1/jobs/order?model=doubler&queue=nobody';
    const waits = { ...json, queue: 'nobody' };
    const bobs = await gateway.ask('PUT', '/v1/jobs/order-0', { json: waits, as: 'bob' });
    expect(bobs.status).toBe(201);
    const alices = await gateway.ask('PUT', address, { body: rows(1, 2), headers: NDJSON, as: 'alice' });
    expect([alices.status, alices.body.code]).toEqual([409, 'ID_TAKEN']);
    for (const [method, path] of [
      ['POST', '/v1/jobs/order/cancel'],
      ['POST', '/v1/jobs/order/retry'],
      ['DELETE', '/v1/jobs/order'],
    ] as const)
      await gateway.ask(method, path, { as: 'alice' });
    expect(await stateOf('order-0', 'bob')).toBe('waiting');
    expect((await gateway.ask('DELETE', '/v1/jobs/order-0', { as: 'bob' })).status).toBe(204);
    const again = await gateway.ask('PUT', address, { body: rows(1, 2), headers: NDJSON, as: 'alice' });
    expect(again.status).toBe(201);
  });

  it('are checked before they are looked up, and the ids of Idempotency-Keys are reserved', async () => {
    const long = await gateway.ask('POST', '/v1/jobs', { json: { ...json, id: 'x'.repeat(100_000) } });
    expect(long.status).toBe(400);
    expect(long.text.length).toBeLessThan(2000);
    const odd = await gateway.ask('PUT', '/v1/jobs/a%3Ab', { json });
    expect([odd.status, odd.body.code]).toEqual([400, 'JOB_ID']);
    const headers = { 'idempotency-key': 'order-77' };
    const sent = await gateway.ask('POST', '/v1/jobs', { json, as: 'alice', headers });
    expect(sent.status).toBe(202);
    const taken = await gateway.ask('PUT', `/v1/jobs/${sent.body.id}`, { json, as: 'bob' });
    expect([taken.status, taken.body.code]).toEqual([400, 'JOB_ID']);
    const again = await gateway.ask('POST', '/v1/jobs', { json, as: 'alice', headers });
    expect(again.body.id).toBe(sent.body.id);
  });

  it('are not those of the chunks of a group with an Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'order-78' };
    const sent = await gateway.ask('POST', '/v1/jobs', { json, as: 'alice', headers });
    await gateway.ask('DELETE', `/v1/jobs/${sent.body.id}`, { as: 'alice' });
    const chunk = await gateway.ask('PUT', `/v1/jobs/${sent.body.id}-0`, { json, as: 'bob' });
    expect([chunk.status, chunk.body.code]).toEqual([400, 'JOB_ID']);
    const other = await gateway.ask('PUT', `/v1/jobs/${sent.body.id}0`, { json, as: 'bob' });
    expect(other.status).toBe(201);
  });

  it('identify the checked job, even if two tokens have the same id in two queues', async () => {
    // As two gateways leave it that add them at the same moment.
    for (const [as, queue] of [
      ['alice', 'aa'],
      ['bob', 'bb'],
    ] as const) {
      const { body } = await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue }, as });
      const client = await redis.client();
      await client.rename(`{infer:${queue}}:${queue}:${body.id}`, `{infer:${queue}}:${queue}:twin`);
      await client.zadd(`{infer:${queue}}:${queue}:prioritized`, 1, 'twin');
      await client.zrem(`{infer:${queue}}:${queue}:prioritized`, body.id);
      gateway.gateway.client.locations.set('twin', queue, 'job');
    }
    // It remembers where bob’s is.
    expect((await gateway.ask('POST', '/v1/jobs/twin/cancel', { as: 'bob' })).body.queue).toBe('bb');
    gateway.gateway.client.locations.set('twin', 'aa', 'job');
    expect(await stateOf('twin', 'alice')).toBe('waiting');
  });
});

describe('waits', () => {
  it('for a result are shortened to the longest wait of the server', async () => {
    const { body } = await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' } });
    const brief = await GatewayKit.open(redis, { modelsDir: models.dir, limits: { maxWaitMs: 500 } });
    const answer = await brief.ask('GET', `/v1/jobs/${body.id}/result?wait=10m`);
    expect(answer.status).toBe(202);
    await brief.close();
  });

  it('of zero seconds queue the job, even without a worker', async () => {
    const headers = { prefer: 'wait=0' };
    const sent = await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' }, headers });
    expect([sent.status, sent.body.state]).toEqual([202, 'waiting']);
    expect(sent.headers.get('preference-applied')).toBe('wait=0');
  });

  it('end without the job if the token was revoked meanwhile', async () => {
    const unserved = { ...json, queue: 'nobody' };
    const { body } = await gateway.ask('POST', '/v1/jobs', { json: unserved, as: 'bob' });
    const slow = { json: LONG, as: 'bob', headers: { prefer: 'wait=2' } };
    const waiting = [
      gateway.ask('GET', `/v1/jobs/${body.id}?wait=2s`, { as: 'bob' }),
      gateway.ask('GET', `/v1/jobs/${body.id}/result?wait=2s`, { as: 'bob' }),
      gateway.ask('POST', '/v1/jobs', slow),
    ];
    await until(async () => (gateway.gateway.waits.size === waiting.length ? true : undefined));
    gateway.revoked.add('bob');
    try {
      for (const { status, body: refused } of await Promise.all(waiting)) {
        expect([status, refused.code]).toEqual([401, 'TOKEN']);
        expect(refused).not.toHaveProperty('id');
      }
    } finally {
      gateway.revoked.delete('bob');
    }
    const { body: active } = await gateway.ask('GET', '/v1/jobs?state=active');
    for (const { id } of active.items) await gateway.ask('POST', `/v1/jobs/${id}/cancel`);
  });
});

describe('ended jobs', () => {
  it('count towards the limits of the token that retries them', async () => {
    const failedJob = async (as: string) => {
      const headers = { prefer: 'wait' };
      const { body } = await gateway.ask('POST', '/v1/jobs', { json: FAILS, as, headers });
      expect(body.state).toBe('failed');
      return body.id as string;
    };
    const ids = [await failedJob('single'), await failedJob('single')];
    const unserved = { ...json, queue: 'nobody' };
    const held = await gateway.ask('POST', '/v1/jobs', { json: unserved, as: 'single' });
    expect(held.status).toBe(202);
    const refused = await gateway.ask('POST', `/v1/jobs/${ids[0]}/retry`, { as: 'single' });
    expect([refused.status, refused.body.code]).toEqual([429, 'JOBS_LIMIT']);
    expect(await stateOf(ids[0] as string)).toBe('failed');
    await gateway.ask('POST', `/v1/jobs/${held.body.id}/cancel`, { as: 'single' });
    const again = await until(async () => {
      const answer = await gateway.ask('POST', `/v1/jobs/${ids[0]}/retry`, { as: 'single' });
      return answer.status === 429 ? undefined : answer;
    });
    expect(again.status).toBe(202);
  });

  it('of a group with failed jobs cannot be cancelled', async () => {
    const body = `[7]\n${'[1]\n'.repeat(3)}`;
    const headers = { ...NDJSON, prefer: 'wait' };
    const sent = await gateway.ask('POST', '/v1/jobs?model=poison&retries=0', { body, headers });
    expect([sent.status, sent.body.state]).toEqual([200, 'failed']);
    for (const field of ['digest', 'content', 'cancelled']) expect(sent.body).not.toHaveProperty(field);
    const late = await gateway.ask('POST', `/v1/jobs/${sent.body.id}/cancel`);
    expect([late.status, late.body.code]).toEqual([409, 'JOB_ENDED']);
  });
});

describe('limits', () => {
  it('apply while rows arrive', async () => {
    let more: (text: string) => void = () => undefined;
    const body = new ReadableStream({
      start: (controller) => {
        more = (text) => (text === '' ? controller.close() : controller.enqueue(Buffer.from(text)));
      },
    });
    const address = '/v1/jobs?model=doubler&queue=nobody';
    const sending = gateway.ask('POST', address, { body, headers: NDJSON, as: 'single' });
    // More than one chunk: the group is opened when its first chunk is complete.
    more(rows(...Array.from({ length: 600 }, (_, i) => i)));
    const client = await redis.client();
    // The place is held by the group, and no longer by a ticket that lapses.
    await until(async () => {
      const members = await client.zrange(quotaKey('infer', 'jobs', 'single'), '0', '-1');
      return members.some((member) => member.startsWith('group '));
    });
    const refused = await gateway.ask('POST', '/v1/jobs', { json, as: 'single' });
    expect(refused.body.code).toBe('JOBS_LIMIT');
    more('');
    const { status, body: group } = await sending;
    expect(status).toBe(202);
    expect((await gateway.ask('POST', `/v1/jobs/${group.id}/cancel`, { as: 'single' })).status).toBe(200);
  });

  it('of the predicted wait do not apply to a job that starts later', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: { ...json, delay: '1h', expires: '1ms' } });
    expect([sent.status, sent.body.state]).toEqual([202, 'delayed']);
  });
});

describe('a server that shuts down', () => {
  it('returns the address of their job to waiting callers, and leaves the jobs in the queue', async () => {
    const server = await GatewayKit.open(redis, { modelsDir: models.dir });
    const waiting = server.ask('POST', '/v1/jobs', { json: LONG, headers: { prefer: 'wait' } });
    const id = await until(async () => {
      const { body } = await gateway.ask('GET', '/v1/jobs?state=active');
      return body.items[0]?.id as string | undefined;
    });
    server.leave();
    const answer = await waiting;
    expect([answer.status, answer.headers.get('location')]).toEqual([202, `/v1/jobs/${id}`]);
    await server.close();
    expect(await stateOf(id)).toBe('active');
    await gateway.ask('POST', `/v1/jobs/${id}/cancel`);
  });
});
