import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { type Body, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const NDJSON = { 'content-type': 'application/x-ndjson' };
const line = (i: number) => `[${i},0,0,0]\n`;
const doubled = (i: number) => ({ y: [2 * i + 1, 1, 1, 1] });

const worker = () => infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
beforeAll(async () => {
  await worker();
});

const ended = (id: string) =>
  until(async () => {
    const { body } = await gateway.ask('GET', `/v1/jobs/${id}?wait=10s`);
    return ['completed', 'failed', 'cancelled'].includes(body.state) ? body : undefined;
  });

/** `.npy` of float32 rows. */
function npy(rows: number, width: number): Buffer {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const text = `${dict.padEnd(117)}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(118, 0)}${text}`, 'latin1');
  return Buffer.concat([head, Buffer.from(Float32Array.from({ length: rows * width }, (_, i) => i).buffer)]);
}

describe('streamed rows', () => {
  it('become a group, whose results are returned in input order as a JSON list and as NDJSON', async () => {
    const body = Array.from({ length: 1000 }, (_, i) => line(i)).join('');
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler&priority=4', { body, headers: NDJSON });
    expect(sent.status).toBe(202);
    const { id } = sent.body;
    expect(sent.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(sent.body).toMatchObject({ kind: 'group', queue: 'batch', rows: 1000, priority: 4 });
    expect(await ended(id)).toMatchObject({ kind: 'group', state: 'completed', rowsDone: 1000 });
    const list = await gateway.ask('GET', `/v1/jobs/${id}/result`);
    expect([list.status, list.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(list.body).toEqual(Array.from({ length: 1000 }, (_, i) => doubled(i)));
    const lines = await gateway.ask('GET', `/v1/jobs/${id}/result`, {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(lines.headers.get('content-type')).toBe('application/x-ndjson');
    expect(
      lines.text
        .trim()
        .split('\n')
        .map((one) => JSON.parse(one)),
    ).toEqual(list.body);
    const npy = await gateway.ask('GET', `/v1/jobs/${id}/result`, {
      headers: { accept: 'application/x-npy' },
    });
    expect(npy.status).toBe(406);
    const recipe = await gateway.ask('GET', `/result/${id}`);
    expect(recipe.body).toEqual({ status: 'completed', result: list.body });
  });

  it('may be compressed, chunked, and .npy; a single row is a job', async () => {
    const zipped = gzipSync(`${line(1)}${line(2)}`);
    const headers = { ...NDJSON, 'content-encoding': 'gzip', prefer: 'wait' };
    const two = await gateway.ask('POST', '/v1/jobs?model=doubler', { body: zipped, headers });
    expect([two.status, two.body.kind, two.body.state]).toEqual([200, 'group', 'completed']);
    const pieces = Readable.toWeb(
      Readable.from([`[1,0`, `,0,0]\n[2`, `,0,0,0]\n`].map((text) => Buffer.from(text))),
    );
    const cut = await gateway.ask('POST', '/v1/jobs?model=doubler', {
      body: pieces as Body,
      headers: { ...NDJSON, prefer: 'wait' },
    });
    expect([cut.status, cut.body.rows]).toEqual([200, 2]);
    const array = await gateway.ask('POST', '/v1/jobs?model=doubler', {
      body: npy(300, 4),
      headers: { 'content-type': 'application/x-npy', prefer: 'wait' },
    });
    expect([array.status, array.body.kind, array.body.rowsDone]).toEqual([200, 'group', 300]);
    const one = await gateway.ask('POST', '/v1/jobs?model=doubler', {
      body: line(3),
      headers: { ...NDJSON, prefer: 'wait' },
    });
    expect([one.status, one.body.kind, one.body.result]).toEqual([200, 'job', doubled(3)]);
  });

  it('with an invalid row are refused, and the rows before it are cancelled', async () => {
    const body = `${Array.from({ length: 3000 }, (_, i) => line(i)).join('')}[1,2]\n${line(1)}`;
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler&queue=nobody', { body, headers: NDJSON });
    expect([sent.status, sent.body.code]).toEqual([422, 'INPUT_SHAPE']);
    expect(sent.body.detail).toMatch(/^line 3001: /);
    const left = await gateway.ask('GET', '/v1/jobs?queue=nobody&state=waiting');
    expect(left.body.items ?? []).toEqual([]);
    for (const [text, status, code] of [
      ['', 422, 'INPUT_EMPTY'],
      ['[1,2,3,4]\n{"x":', 400, 'INPUT_JSON'],
    ] as const) {
      const bad = await gateway.ask('POST', '/v1/jobs?model=doubler', { body: text, headers: NDJSON });
      expect([text, bad.status, bad.body.code]).toEqual([text, status, code]);
    }
    const cut = await gateway.ask('POST', '/v1/jobs?model=doubler', {
      body: npy(300, 4).subarray(0, 1000),
      headers: { 'content-type': 'application/x-npy' },
    });
    expect([cut.status, cut.body.code]).toEqual([400, 'INPUT_NPY']);
    const unknown = await gateway.ask('POST', '/v1/jobs?model=tripler', { body: line(1), headers: NDJSON });
    expect(unknown.status).toBe(404);
  });

  it('whose caller disconnects in the middle are cancelled', async () => {
    const leaves = new AbortController();
    const body = Readable.from(
      (async function* () {
        for (;;) {
          yield Buffer.from(Array.from({ length: 1000 }, (_, i) => line(i)).join(''));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })(),
    );
    const request = gateway
      .ask('PUT', '/v1/jobs/left-1?model=doubler&queue=left', {
        body: Readable.toWeb(body) as Body,
        headers: NDJSON,
        signal: leaves.signal,
      })
      .catch((error: unknown) => error);
    const client = await redis.client();
    await until(async () => ((await client.zcard('{infer:left}:left:prioritized')) > 0 ? true : undefined));
    leaves.abort();
    await request;
    await until(async () => ((await client.zcard('{infer:left}:left:prioritized')) === 0 ? true : undefined));
    await until(async () => ((await client.exists('{infer:left}:grp:left-1')) === 0 ? true : undefined));
  });

  it('are read in constant memory', async () => {
    const rows = 200_000;
    const text = Array.from({ length: 1000 }, (_, i) => line(i)).join('');
    const body = Readable.from(
      (async function* () {
        for (let i = 0; i < rows / 1000; i++) yield Buffer.from(text);
      })(),
    );
    const before = process.memoryUsage().rss;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 20);
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler&queue=large', {
      body: Readable.toWeb(body) as Body,
      headers: NDJSON,
    });
    clearInterval(watch);
    expect([sent.status, sent.body.rows]).toEqual([202, rows]);
    // As text they are 2.4 MB a 200,000, as rows in objects hundreds.
    expect(most - before).toBeLessThan(250 * 1024 ** 2);
    expect((await gateway.ask('POST', `/v1/jobs/${sent.body.id}/cancel`)).status).toBe(200);
  });
});

describe('the result of a group', () => {
  it('contains the rows that failed, and says how many', async () => {
    const body = '[0]\n[7]\n[2]\n';
    const sent = await gateway.ask('POST', '/v1/jobs?model=poison&retries=0', {
      body,
      headers: { ...NDJSON, prefer: 'wait' },
    });
    expect([sent.status, sent.body.state]).toEqual([200, 'failed']);
    const result = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([result.status, result.headers.get('infer-failed-rows')]).toEqual([200, '1']);
    expect(result.body).toEqual([{ y: [10] }, { error: expect.any(Object) }, { y: [30] }]);
    const none = await gateway.ask('POST', '/v1/jobs?model=poison&retries=0', {
      body: '[7]\n[8]\n',
      headers: { ...NDJSON, prefer: 'wait' },
    });
    const failed = await gateway.ask('GET', `/v1/jobs/${none.body.id}/result`);
    expect([failed.status, failed.body.code]).toEqual([500, expect.any(String)]);
  });

  it('202 while it runs; ?partial returns the rows that are done', async () => {
    const body = `${line(1)}${line(2)}`;
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler&queue=nobody', { body, headers: NDJSON });
    const early = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result`);
    expect([early.status, early.body.state]).toEqual([202, 'waiting']);
    const part = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result?partial=true`);
    expect([part.status, part.body.state]).toEqual([202, 'waiting']);
  });

  it('is returned again for the same PUT; other options or other rows are 409', async () => {
    const put = (query = '', body = `${line(1)}${line(2)}`) =>
      gateway.ask('PUT', `/v1/jobs/group-1?model=doubler${query}`, { body, headers: NDJSON });
    expect((await put()).status).toBe(201);
    await ended('group-1');
    const again = await put();
    expect([again.status, again.body.state]).toEqual([200, 'completed']);
    for (const other of [put('&priority=9'), put('', `${line(1)}${line(3)}`), put('', line(1))]) {
      const { status, body } = await other;
      expect([status, body.code]).toEqual([409, 'ID_TAKEN']);
    }
  });

  it('is that of a job if there was one row, and another row is refused as well', async () => {
    const put = (row: number) =>
      gateway.ask('PUT', '/v1/jobs/single-1?model=doubler', { body: line(row), headers: NDJSON });
    expect((await put(1)).status).toBe(201);
    expect((await put(1)).status).toBe(200);
    expect((await put(2)).status).toBe(409);
  });
});
