import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const ROW = [1, 2, 3, 4];
const DOUBLED = { y: [3, 5, 7, 9] };
const doubler = (more: object = {}) => ({ model: 'doubler', input: ROW, ...more });

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

const ended = (id: string, as?: string) =>
  until(async () => {
    const { body } = await gateway.ask('GET', `/v1/jobs/${id}?wait=10s`, as === undefined ? {} : { as });
    return ['completed', 'failed', 'expired', 'cancelled'].includes(body.state) ? body : undefined;
  });

describe('POST /v1/jobs', () => {
  it('queues a job and returns its address: 202, Location, Retry-After', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: doubler({ priority: 9 }) });
    expect(sent.status).toBe(202);
    const { id } = sent.body;
    expect(sent.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(sent.headers.get('retry-after')).toBe('1');
    expect(sent.body).toMatchObject({
      kind: 'job',
      queue: 'realtime',
      model: 'doubler',
      state: 'waiting',
      rows: 1,
      priority: 9,
    });
    expect(sent.body.urls).toEqual({
      self: `/v1/jobs/${id}`,
      result: `/v1/jobs/${id}/result`,
      events: `/v1/jobs/${id}/events`,
      cancel: `/v1/jobs/${id}/cancel`,
    });
    expect(await ended(id)).toMatchObject({
      state: 'completed',
      result: DOUBLED,
      attempts: 1,
      device: 'cpu',
      priority: 9,
    });
  });

  it('waits as long as Prefer says, and returns 200 with the ended job', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: doubler(), headers: { prefer: 'wait=10' } });
    expect([sent.status, sent.headers.get('preference-applied')]).toEqual([200, 'wait=10']);
    expect(sent.body).toMatchObject({ state: 'completed', result: DOUBLED });
    expect(sent.body.timing.totalMs).toBeGreaterThanOrEqual(0);
    expect(sent.headers.get('retry-after')).toBeNull();
  });

  it('does not wait longer than the server allows, and applies what it knows of Prefer', async () => {
    const long = await gateway.ask('POST', '/v1/jobs', {
      json: doubler(),
      headers: { prefer: 'wait=9999, handling=lenient' },
    });
    expect(long.headers.get('preference-applied')).toBe('wait=20');
    const later = await gateway.ask('POST', '/v1/jobs', {
      json: doubler(),
      headers: { prefer: 'respond-async' },
    });
    expect([later.status, later.headers.get('preference-applied')]).toEqual([202, 'respond-async']);
    const odd = await gateway.ask('POST', '/v1/jobs', {
      json: doubler(),
      headers: { prefer: 'return=minimal' },
    });
    expect([odd.status, odd.headers.get('preference-applied')]).toEqual([202, null]);
  });

  it('returns 202 with the job if it did not end in time; the job continues', async () => {
    const input = { x: [0, 0], turns: [600] };
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'slow', input },
      headers: { prefer: 'wait=0' },
    });
    expect([sent.status, sent.headers.get('preference-applied')]).toEqual([202, 'wait=0']);
    expect((await ended(sent.body.id)).state).toBe('completed');
  });

  it('accepts many rows as one job, whose result is a list', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: doubler({ input: [ROW, [0, 0, 0, 0]] }),
      headers: { prefer: 'wait=10' },
    });
    expect(sent.body).toMatchObject({ rows: 2, queue: 'batch', result: [DOUBLED, { y: [1, 1, 1, 1] }] });
  });

  it('accepts options in the query, and refuses one that is also in the body', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs?queue=batch&priority=3', { json: doubler() });
    expect(sent.body).toMatchObject({ queue: 'batch', priority: 3 });
    const twice = await gateway.ask('POST', '/v1/jobs?priority=3', { json: doubler({ priority: 4 }) });
    expect([twice.status, twice.body.code]).toEqual([400, 'PARAMETER']);
  });

  it('times are written as on the command line, or in milliseconds', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: doubler({ delay: '10m', resultTtl: 120_000 }),
    });
    expect(sent.body.state).toBe('delayed');
    const seen = await gateway.ask('GET', `/v1/jobs/${sent.body.id}`);
    expect(seen.body.state).toBe('delayed');
    expect(seen.body.nextRunAt - seen.body.submittedAt).toBeGreaterThan(590_000);
    const wrong = await gateway.ask('POST', '/v1/jobs', { json: doubler({ delay: '10 moons' }) });
    expect([wrong.status, wrong.body.code]).toEqual([400, 'PARAMETER']);
    expect(wrong.body.detail).toMatch(/^delay: /);
  });

  it.each([
    ['malformed JSON', '{"input": [1,', 400, 'INPUT_JSON'],
    ['a list where a document is needed', '[1,2,3,4]', 400, 'PARAMETER'],
    ['no input', '{"model":"doubler"}', 400, 'PARAMETER'],
    ['an unknown field', '{"model":"doubler","input":[1,2,3,4],"prioritty":1}', 400, 'PARAMETER'],
    ['a priority of 10', '{"model":"doubler","input":[1,2,3,4],"priority":10}', 400, 'PARAMETER'],
    ['a queue that is none', '{"model":"doubler","input":[1,2,3,4],"queue":"a b"}', 400, 'QUEUE_NAME'],
    ['an id that is none', '{"model":"doubler","input":[1,2,3,4],"id":"12"}', 400, 'JOB_ID'],
    ['an unknown model', '{"model":"tripler","input":[1]}', 404, 'MODEL_UNKNOWN'],
    ['no model where there are several', '{"input":[1]}', 400, 'MODEL_NEEDED'],
    ['a wrong shape', '{"model":"doubler","input":[1,2,3]}', 422, 'INPUT_SHAPE'],
    ['a wrong type', '{"model":"doubler","input":[1,2,"x",4]}', 422, 'INPUT_TYPE'],
    ['nothing', '', 400, 'PARAMETER'],
    [
      'a row too deep',
      `{"model":"doubler","input":${'['.repeat(100)}1${']'.repeat(100)}}`,
      400,
      'INPUT_TOO_DEEP',
    ],
  ])('refuses %s', async (_, body, status, code) => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect([sent.status, sent.body.code]).toEqual([status, code]);
    expect(sent.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(sent.body.error).toBe(sent.body.detail);
  });

  it('refuses a body of another type, and one that is too large', async () => {
    const csv = await gateway.ask('POST', '/v1/jobs', {
      body: '1,2',
      headers: { 'content-type': 'text/csv' },
    });
    expect([csv.status, csv.body.code]).toEqual([415, 'INPUT_FORMAT']);
    const large = await gateway.ask('POST', '/v1/jobs', { body: ' '.repeat(1024 ** 2 + 1) });
    expect([large.status, large.body.code]).toEqual([413, 'INPUT_TOO_LARGE']);
  });

  it('without a worker, a caller that waits gets 503 with the command that starts one; otherwise the job is queued', async () => {
    const json = doubler({ queue: 'lonely' });
    const waits = await gateway.ask('POST', '/v1/jobs', { json, headers: { prefer: 'wait=5' } });
    expect([waits.status, waits.body.code]).toEqual([503, 'NO_WORKERS']);
    expect(waits.body.hint).toContain('infer worker -Q lonely --model doubler');
    const client = await redis.client();
    expect(await client.exists('{infer:lonely}:lonely:prioritized')).toBe(0);
    expect((await gateway.ask('POST', '/v1/jobs', { json })).status).toBe(202);
  });
});

describe('a repeated request', () => {
  it('PUT: 201, then 200 for the same, 409 for another input or other options', async () => {
    const put = (json: object, id = 'order-1') => gateway.ask('PUT', `/v1/jobs/${id}`, { json });
    const first = await put(doubler());
    expect([first.status, first.body.id]).toEqual([201, 'order-1']);
    expect(first.headers.get('location')).toBe('/v1/jobs/order-1');
    await ended('order-1');
    const again = await put({ input: ROW, model: 'doubler' });
    expect([again.status, again.body.state, again.body.result]).toEqual([200, 'completed', DOUBLED]);
    for (const other of [doubler({ input: [1, 2, 3, 5] }), doubler({ priority: 1 })]) {
      const taken = await put(other);
      expect([taken.status, taken.body.code]).toEqual([409, 'ID_TAKEN']);
    }
    expect((await put(doubler({ id: 'order-2' }))).status).toBe(400);
  });

  it('two at the same time create one job', async () => {
    const sent = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        gateway.ask('PUT', '/v1/jobs/race-1', { json: doubler({ input: [0, 0, 0, i % 2] }) }),
      ),
    );
    const statuses = sent.map(({ status }) => status);
    expect(statuses.filter((status) => status === 409)).toHaveLength(4);
    expect(statuses.filter((status) => status === 200 || status === 201)).toHaveLength(4);
    const job = await ended('race-1');
    const won = sent.findIndex(({ status }) => status !== 409) % 2;
    expect(job.result).toEqual({ y: [1, 1, 1, won === 0 ? 1 : 3] });
  });

  it('Idempotency-Key: the same job, quoted or bare; 422 for another request', async () => {
    const post = (key: string, json: object = doubler()) =>
      gateway.ask('POST', '/v1/jobs', { json, headers: { 'idempotency-key': key } });
    const first = await post('"a key, quoted"');
    expect(first.status).toBe(202);
    const again = await post('a key, quoted');
    expect(again.body.id).toBe(first.body.id);
    const other = await post('"a key, quoted"', doubler({ input: [9, 9, 9, 9] }));
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY']);
    expect((await post('another')).body.id).not.toBe(first.body.id);
    expect((await post('""')).status).toBe(400);
    const both = await gateway.ask('POST', '/v1/jobs', {
      json: doubler({ id: 'x-1' }),
      headers: { 'idempotency-key': 'k' },
    });
    expect(both.status).toBe(400);
  });

  it('a key of one token is not that of another', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const mine = await gateway.ask('POST', '/v1/jobs', { json: doubler(), headers, as: 'alice' });
    const theirs = await gateway.ask('POST', '/v1/jobs', { json: doubler(), headers, as: 'bob' });
    expect(theirs.body.id).not.toBe(mine.body.id);
  });
});

describe('GET /v1/jobs/:id', () => {
  it('answers 404 for an unknown id', async () => {
    const none = await gateway.ask('GET', '/v1/jobs/none');
    expect([none.status, none.body.code]).toEqual([404, 'JOB_UNKNOWN']);
    expect((await gateway.ask('GET', '/v1/jobs/none/result')).status).toBe(404);
  });

  it('?wait responds when it ends, and immediately if it has ended', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'slow', input: { x: [0, 0], turns: [300] } },
    });
    const job = await ended(sent.body.id);
    expect(job).toMatchObject({ state: 'completed', rows: 1 });
    expect(job.finishedAt).toBeGreaterThanOrEqual(job.startedAt);
    expect(job.expiresAt - job.finishedAt).toBe(3_600_000);
    const again = await gateway.ask('GET', `/v1/jobs/${sent.body.id}?wait=1h`);
    expect([again.status, again.headers.get('retry-after')]).toEqual([200, null]);
    expect((await gateway.ask('GET', `/v1/jobs/${sent.body.id}?wait=soon`)).status).toBe(400);
    expect((await gateway.ask('GET', `/v1/jobs/${sent.body.id}?wat=1s`)).status).toBe(400);
  });

  it('?wait ends after its time', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: doubler({ queue: 'lonely' }) });
    const waited = await gateway.ask('GET', `/v1/jobs/${sent.body.id}?wait=300ms`);
    expect([waited.status, waited.body.state, waited.headers.get('retry-after')]).toEqual([
      200,
      'waiting',
      '1',
    ]);
  });
});

describe('GET /v1/jobs/:id/result', () => {
  it('returns the bare value, and 202 while the job runs', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: doubler({ queue: 'lonely' }) });
    const early = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([early.status, early.headers.get('retry-after'), early.body.state]).toEqual([202, '1', 'waiting']);
    const done = await gateway.ask('POST', '/v1/jobs', { json: doubler() });
    const result = await gateway.ask('GET', `/v1/jobs/${done.body.id}/result?wait=20s`);
    expect([result.status, result.body]).toEqual([200, DOUBLED]);
  });

  it('writes NDJSON, .npy and binary tensors of the Open Inference Protocol, and answers 406 for other formats', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: doubler({ input: [ROW, ROW] }),
      headers: { prefer: 'wait' },
    });
    const address = `/v1/jobs/${sent.body.id}/result`;
    const lines = await gateway.ask('GET', address, { headers: { accept: 'application/x-ndjson' } });
    expect(lines.text).toBe(`${JSON.stringify(DOUBLED)}\n${JSON.stringify(DOUBLED)}\n`);
    const npy = await gateway.fetch('GET', address, { headers: { accept: 'application/x-npy, */*;q=0.1' } });
    expect(npy.headers.get('content-type')).toBe('application/x-npy');
    const bytes = Buffer.from(await npy.arrayBuffer());
    expect(bytes.toString('latin1', 10, 80)).toContain(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
    );
    expect((10 + bytes.readUInt16LE(8)) % 64).toBe(0);
    expect([
      ...new Float32Array(
        bytes.buffer.slice(bytes.byteOffset + 10 + bytes.readUInt16LE(8), bytes.byteOffset + bytes.length),
      ),
    ]).toEqual([3, 5, 7, 9, 3, 5, 7, 9]);
    const oip = await gateway.fetch('GET', address, { headers: { accept: 'application/octet-stream' } });
    const binary = Buffer.from(await oip.arrayBuffer());
    const json = Number(oip.headers.get('inference-header-content-length'));
    expect(JSON.parse(binary.toString('utf8', 0, json))).toEqual({
      model_name: 'doubler',
      id: sent.body.id,
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 4], parameters: { binary_data_size: 32 } }],
    });
    expect(binary.length).toBe(json + 32);
    expect(binary.readFloatLE(json + 4)).toBe(5);
    const xml = await gateway.ask('GET', address, { headers: { accept: 'application/xml' } });
    expect([xml.status, xml.body.code]).toEqual([406, 'OUTPUT_FORM']);
  });

  it('has a status by the cause of a failure, and the rows that have a result on request', async () => {
    const json = { model: 'poison', input: [[0], [7]], retries: 0 };
    const sent = await gateway.ask('POST', '/v1/jobs', { json, headers: { prefer: 'wait' } });
    expect([sent.status, sent.body.state, sent.body.failedRows]).toEqual([200, 'failed', [1]]);
    const failed = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([failed.status, failed.body.code]).toEqual([500, sent.body.error.code]);
    expect(failed.body.hint).toContain('partial=true');
    const part = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result?partial=true`);
    expect([part.status, part.headers.get('infer-failed-rows')]).toEqual([200, '1']);
    expect(part.body).toEqual([
      { y: [10] },
      { error: expect.objectContaining({ code: expect.any(String) }) },
    ]);
  });

  it('says 410 when it was not kept', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: doubler({ resultTtl: 0 }),
      headers: { prefer: 'wait' },
    });
    const gone = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([gone.status, gone.body.code]).toEqual([410, 'RESULT_EXPIRED']);
  });

  it('says 504 of a job that expired, 409 of one that was cancelled', async () => {
    const late = await gateway.ask('POST', '/v1/jobs', { json: doubler({ queue: 'lonely', expires: 1 }) });
    const expired = await gateway.ask('GET', `/v1/jobs/${late.body.id}/result?wait=10s`);
    expect([expired.status, expired.body.code]).toEqual([504, 'EXPIRED']);
    const sent = await gateway.ask('POST', '/v1/jobs', { json: doubler({ queue: 'lonely' }) });
    await gateway.ask('POST', `/v1/jobs/${sent.body.id}/cancel`);
    const cancelled = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([cancelled.status, cancelled.body.code]).toEqual([409, 'CANCELLED']);
  });
});
