import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, limits: { maxBody: 16 * 1024 ** 2, maxBodies: 24 * 1024 ** 2 } });

const ROWS = 70_000;
/** More than a mebibyte as it is stored. */
const many = { model: 'doubler', queue: 'realtime', input: new Array(ROWS).fill([1, 2, 3, 4]) };
const DOUBLED = { y: [3, 5, 7, 9] };
const isWhole = (list: unknown[]) => {
  expect(list).toHaveLength(ROWS);
  expect(new Set(list.map((row) => JSON.stringify(row)))).toEqual(new Set([JSON.stringify(DOUBLED)]));
};

beforeAll(async () => {
  writeModel(models.dir, 'wide', doubler(200_000));
  writeModel(models.dir, 'huge', doubler(3_900_000));
  await infer.worker(['--models', models.dir, '-Q', 'realtime']);
});

describe('JSON of many values', () => {
  const empty = (list: string) => `{"model":"doubler","input":[${list}]}`;

  it.each([
    ['/v1/jobs', 'lists', empty(`${'[],'.repeat(2_100_000)}[]`)],
    ['/v1/jobs', 'objects', empty(`${'{},'.repeat(2_100_000)}{}`)],
    ['/v1/jobs', 'numbers', empty(`${'0,'.repeat(4_100_000)}0`)],
    ['/predict?model=doubler', 'lists', `[${'[],'.repeat(2_100_000)}[]]`],
    ['/v2/models/doubler/infer', 'lists', `{"inputs":[${'[],'.repeat(2_100_000)}[]]}`],
  ])('is refused by %s before it becomes many times its size: %s', async (address, _, body) => {
    const headers = { 'content-type': 'application/json' };
    const { status, text } = await gateway.ask('POST', address, { body, headers });
    expect([status, text]).toEqual([413, expect.stringContaining('more than 4000000 values')]);
  });

  it('is refused in a line of NDJSON too', async () => {
    const body = `[1,2,3,4]\n[${'[],'.repeat(2_100_000)}[]]\n`;
    const headers = { 'content-type': 'application/x-ndjson' };
    const { status, body: problem } = await gateway.ask('POST', '/v1/jobs?model=doubler', { body, headers });
    expect([status, problem.code]).toEqual([413, 'INPUT_TOO_LARGE']);
    expect(problem.detail).toContain('line 2');
  });
});

describe('a large result', () => {
  it('is whole in every form and on every route', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: many, headers: { prefer: 'wait=20' } });
    expect(sent.status).toBe(200);
    expect(sent.headers.get('content-type')).toMatch(/^application\/json/);
    isWhole(sent.body.result);
    const { id } = sent.body;
    const { result: _, ...shown } = (await gateway.ask('GET', `/v1/jobs/${id}`)).body;
    expect(shown).toMatchObject({ id, state: 'completed', rows: ROWS, urls: { self: `/v1/jobs/${id}` } });
    isWhole((await gateway.ask('GET', `/v1/jobs/${id}`)).body.result);
    isWhole((await gateway.ask('GET', `/v1/jobs/${id}/result`)).body);
    expect((await gateway.ask('GET', `/result/${id}`)).body.status).toBe('completed');
    isWhole((await gateway.ask('GET', `/result/${id}`)).body.result);
    const headers = { accept: 'application/x-ndjson' };
    const lines = (await gateway.ask('GET', `/v1/jobs/${id}/result`, { headers })).text.trimEnd().split('\n');
    isWhole(lines.map((line) => JSON.parse(line) as unknown));
  });

  it('of one row and as binary tensors has all of its elements', async () => {
    const input = new Array(200_000).fill(1);
    const sent = await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'wide', input },
      headers: { prefer: 'wait=20' },
    });
    expect(sent.body.result.y).toHaveLength(200_000);
    for (const accept of ['application/octet-stream', 'application/x-npy']) {
      const answer = await gateway.fetch('GET', `${sent.body.urls.result}`, { headers: { accept } });
      const body = Buffer.from(await answer.arrayBuffer());
      expect(answer.headers.get('content-length')).toBe(String(body.length));
      expect(body.length).toBeGreaterThan(800_000);
      expect(body.readFloatLE(body.length - 4)).toBe(3);
    }
  });
});

describe('large results in memory', () => {
  const BYTES = 15_600_000;
  const headers = { accept: 'application/octet-stream' };

  it('are limited while slow readers hold them: one too many is refused', async () => {
    const body = Buffer.from(`{"model":"huge","input":[${'1,'.repeat(3_899_999)}1]}`);
    const type = { 'content-type': 'application/json' };
    const sent = await gateway.ask('POST', '/v1/jobs', { body, headers: type });
    const { result } = sent.body.urls;
    const address = `${gateway.url}${result}`;
    const events = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/events`);
    expect(events.text).toContain('"state":"completed"');
    // It reads nothing, and more is left than any socket buffers.
    const slow = request(address, { headers });
    slow.on('error', () => undefined);
    slow.end();
    await once(slow, 'response');
    expect(gateway.resultMemory.bytes).toBeGreaterThan(BYTES);
    for (const other of [result, `/v1/jobs/${sent.body.id}`, `/result/${sent.body.id}`]) {
      const refused = await gateway.ask('GET', other);
      expect([refused.status, refused.body.code]).toEqual([503, 'BODIES_FULL']);
      expect(refused.headers.get('retry-after')).toBe('2');
    }
    // Requests with bodies have their own memory.
    const json = { model: 'doubler', queue: 'nobody', input: [1, 2, 3, 4] };
    expect((await gateway.ask('POST', '/v1/jobs', { json })).status).toBe(202);
    slow.destroy();
    await until(async () => (gateway.resultMemory.bytes === 0 ? true : undefined));
    const answer = await gateway.fetch('GET', result, { headers });
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(BYTES);
    await until(async () => (gateway.resultMemory.bytes === 0 ? true : undefined));
  });
});

it('a form that is not there is refused before the wait for the result', async () => {
  const sent = await gateway.ask('POST', '/v1/jobs', {
    json: { model: 'doubler', queue: 'nobody', input: [1, 2, 3, 4] },
  });
  const headers = { accept: 'text/html' };
  const signal = AbortSignal.timeout(15_000);
  const answer = await gateway.ask('GET', `/v1/jobs/${sent.body.id}/result?wait=20s`, { headers, signal });
  expect(answer.status).toBe(406);
});

it('callers that leave while their compressed body is read do no harm', async () => {
  // Inflating takes turns between the end of the body and its reading: by then the caller has left.
  const body = gzipSync(Buffer.alloc(8 * 1024 ** 2, '{'));
  const { port } = new URL(gateway.url);
  for (const address of ['/v2/models/nope/infer', '/v1/jobs', '/predict', '/v1/embeddings']) {
    await Promise.all(
      Array.from({ length: 5 }, async (_, at) => {
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => undefined);
        const head = `POST ${address} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
        await new Promise<void>((resolve) =>
          socket.write(Buffer.concat([Buffer.from(head), body]), () => resolve()),
        );
        for (let turn = 0; turn < at * 3; turn++) await new Promise(setImmediate);
        socket.destroy();
        await new Promise((resolve) => socket.once('close', resolve));
      }),
    );
  }
  // An unhandled rejection in this process would fail the run.
  expect((await gateway.ask('GET', '/v2/health/live')).status).toBe(200);
});

describe('a server that is shutting down', () => {
  it.each(['/v1/jobs', '/predict', '/v1/embeddings'])(
    'refuses %s before it looks at the body',
    async (address) => {
      const server = await GatewayKit.open(redis, { modelsDir: models.dir });
      server.startDraining();
      const { status, text } = await server.ask('POST', address, { body: 'no JSON' });
      await server.close();
      expect([status, text]).toEqual([503, expect.stringMatching(/DRAINING|shutting down/)]);
    },
  );
});
