import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const submit = async (more: object = {}): Promise<string> =>
  (await gateway.ask('POST', '/v1/jobs', { json: { ...json, ...more } })).body.id;
/** Runs for minutes unless it is stopped. */
const LONG = { model: 'slow', input: { x: [0, 0], turns: [1_000_000] } };
const active = async (id: string) =>
  until(async () => ((await gateway.ask('GET', `/v1/jobs/${id}`)).body.state === 'active' ? id : undefined));

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime']);
});

describe('cancel', () => {
  it('200 for a waiting job, by POST and PUT, and again', async () => {
    const id = await submit({ queue: 'nobody' });
    for (const method of ['POST', 'PUT', 'POST']) {
      const cancelled = await gateway.ask(method, `/v1/jobs/${id}/cancel`);
      expect([cancelled.status, cancelled.body.state]).toEqual([200, 'cancelled']);
    }
  });

  it('202 for a running one, which is being stopped', async () => {
    const id = await active(await submit(LONG));
    const asked = await gateway.ask('POST', `/v1/jobs/${id}/cancel`);
    expect([asked.status, asked.body.id]).toEqual([202, id]);
    const ended = await until(async () => {
      const { body } = await gateway.ask('GET', `/v1/jobs/${id}?wait=5s`);
      return body.state === 'active' ? undefined : body;
    });
    expect(ended.state).toBe('cancelled');
  });

  it('409 for a job that had already ended, with the job', async () => {
    const { body } = await gateway.ask('POST', '/v1/jobs', { json, headers: { prefer: 'wait' } });
    const late = await gateway.ask('POST', `/v1/jobs/${body.id}/cancel`);
    expect([late.status, late.body.code, late.body.job.state]).toEqual([409, 'JOB_ENDED', 'completed']);
    expect((await gateway.ask('POST', '/v1/jobs/none/cancel')).status).toBe(404);
  });

  it('is in the audit log, under the name of the token', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' }, as: 'alice' });
    await gateway.ask('POST', `/v1/jobs/${sent.body.id}/cancel`, { as: 'alice' });
    const { audit } = (await infer.run(['inspect', 'audit', '--json'])).json<{ audit: object[] }>();
    expect(audit).toContainEqual(
      expect.objectContaining({ action: 'cancel', target: sent.body.id, who: 'alice', channel: 'http' }),
    );
  });
});

describe('retry', () => {
  it('202 for a failed job, 409 for any other', async () => {
    const { body } = await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'poison', input: [7], retries: 0 },
      headers: { prefer: 'wait' },
    });
    expect(body.state).toBe('failed');
    const again = await gateway.ask('POST', `/v1/jobs/${body.id}/retry`);
    expect([again.status, again.headers.get('location')]).toEqual([202, `/v1/jobs/${body.id}`]);
    const waiting = await submit({ queue: 'nobody' });
    const refused = await gateway.ask('POST', `/v1/jobs/${waiting}/retry`);
    expect([refused.status, refused.body.code]).toEqual([409, 'NOT_FAILED']);
  });

  it('410 when the input is no longer kept', async () => {
    const row = Array.from({ length: 4 }, () => 1);
    const rows = Array.from({ length: 400 }, () => row);
    const id = await submit({ input: rows, queue: 'nobody' });
    await infer.run(['control', 'pause', 'nobody']);
    const client = await redis.client();
    const key = `{infer:nobody}:nobody:${id}`;
    await client.zrem('{infer:nobody}:nobody:prioritized', id);
    await client.hset(
      key,
      'st',
      'failed',
      'finishedOn',
      Date.now(),
      'f',
      '{"code":"RUN_FAILED","message":"m"}',
    );
    expect(await client.del(`{infer:nobody}:in:${id}`)).toBe(1);
    const gone = await gateway.ask('POST', `/v1/jobs/${id}/retry`);
    expect([gone.status, gone.body.code]).toEqual([410, 'INPUT_GONE']);
  });
});

describe('delete', () => {
  it('204: nothing is left of an ended job', async () => {
    const rows = Array.from({ length: 400 }, () => [1, 2, 3, 4]);
    const { body } = await gateway.ask('POST', '/v1/jobs', {
      json: { ...json, input: rows, queue: 'realtime', id: 'private-1' },
      headers: { prefer: 'wait' },
    });
    expect(body.state).toBe('completed');
    const client = await redis.client();
    expect(await client.keys('*private-1*')).not.toEqual([]);
    const deleted = await gateway.ask('DELETE', '/v1/jobs/private-1');
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect(await client.keys('*private-1*')).toEqual([]);
    expect(await client.zscore('{infer:realtime}:realtime:completed', 'private-1')).toBeNull();
    expect((await gateway.ask('GET', '/v1/jobs/private-1')).status).toBe(404);
    expect((await gateway.ask('DELETE', '/v1/jobs/private-1')).status).toBe(404);
    const again = await gateway.ask('PUT', '/v1/jobs/private-1', { json });
    expect(again.status).toBe(201);
  });

  it('cancels waiting and running jobs first', async () => {
    const client = await redis.client();
    const waiting = await submit({ queue: 'nobody', id: 'private-2' });
    const running = await active(await submit({ ...LONG, id: 'private-3' }));
    for (const id of [waiting, running]) {
      expect((await gateway.ask('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
      expect(await client.keys(`*${id}*`)).toEqual([]);
    }
  });

  it('deletes a group with all its chunks', async () => {
    const body = Array.from({ length: 600 }, (_, i) => `[${i},0,0,0]`).join('\n');
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait' };
    const sent = await gateway.ask('PUT', '/v1/jobs/private-4?model=doubler&queue=realtime', {
      body,
      headers,
    });
    expect([sent.status, sent.body.state, sent.body.rowsDone]).toEqual([201, 'completed', 600]);
    expect((await gateway.ask('DELETE', '/v1/jobs/private-4')).status).toBe(204);
    const client = await redis.client();
    expect(await client.keys('*private-4*')).toEqual([]);
  });
});

describe('the recipe', () => {
  it('POST /predict answers the task id, GET /result its result', async () => {
    const sent = await gateway.ask('POST', '/predict?model=doubler', { json: [1, 2, 3, 4] });
    expect([sent.status, sent.body]).toEqual([200, { task_id: expect.any(String) }]);
    const result = await until(async () => {
      const { body } = await gateway.ask('GET', `/result/${sent.body.task_id}`);
      expect(['PENDING', 'STARTED', 'completed']).toContain(body.status);
      return body.status === 'completed' ? body : undefined;
    });
    expect(result).toEqual({ status: 'completed', result: { y: [3, 5, 7, 9] } });
  });

  it('accepts what curl -d sends by default', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = await gateway.ask('POST', '/predict?model=doubler&queue=batch&priority=7', {
      body: '[1,2,3,4]',
      headers,
    });
    expect(sent.status).toBe(200);
    const job = await gateway.ask('GET', `/v1/jobs/${sent.body.task_id}`);
    expect(job.body).toMatchObject({ queue: 'batch', priority: 7 });
  });

  it('uses the states of Celery', async () => {
    const status = async (id: string) => (await gateway.ask('GET', `/result/${id}`)).body;
    const waiting = await submit({ queue: 'nobody' });
    expect(await status(waiting)).toEqual({ status: 'PENDING' });
    await gateway.ask('POST', `/v1/jobs/${waiting}/cancel`);
    expect(await status(waiting)).toEqual({ status: 'REVOKED' });
    const running = await active(await submit(LONG));
    expect(await status(running)).toEqual({ status: 'STARTED' });
    await gateway.ask('POST', `/v1/jobs/${running}/cancel`);
    const failed = await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'poison', input: [7], retries: 0 },
      headers: { prefer: 'wait' },
    });
    expect(await status(failed.body.id)).toEqual({ status: 'FAILURE', error: failed.body.error.message });
    const none = await gateway.ask('GET', '/result/none');
    expect([none.status, none.body.status, none.body.code]).toEqual([404, 'UNKNOWN', 'JOB_UNKNOWN']);
  });

  it('RETRY while a job waits for its next attempt', async () => {
    const id = await submit({ queue: 'nobody', delay: '1h' });
    const client = await redis.client();
    expect((await gateway.ask('GET', `/result/${id}`)).body).toEqual({ status: 'PENDING' });
    await client.hset(`{infer:nobody}:nobody:${id}`, 'f', '{"code":"RUNNER_DIED","message":"m"}', 'ats', 1);
    expect((await gateway.ask('GET', `/result/${id}`)).body).toEqual({ status: 'RETRY' });
  });

  it('refuses bad input with a status and a reason', async () => {
    const shape = await gateway.ask('POST', '/predict?model=doubler', { json: [1, 2] });
    expect([shape.status, shape.body.code]).toEqual([422, 'INPUT_SHAPE']);
    const broken = await gateway.ask('POST', '/predict?model=doubler', { body: '[1,' });
    expect([broken.status, broken.body.code]).toEqual([400, 'INPUT_JSON']);
  });
});
