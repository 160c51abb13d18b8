import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { doubler, type Graph, writeModel } from '../../support/onnx-builder.js';
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

/** Vectors of 16 KB: the mean of the ids of a row, many times. */
function wideVectors(): Graph {
  const width = 4096;
  return {
    nodes: [
      { op: 'Cast', inputs: ['ids'], outputs: ['numbers'], attributes: { to: 1 } },
      { op: 'ReduceMean', inputs: ['numbers'], outputs: ['mean'], attributes: { axes: [1], keepdims: 1 } },
      { op: 'MatMul', inputs: ['mean', 'ones'], outputs: ['y'] },
    ],
    inputs: [{ name: 'ids', type: 'int64', dims: ['batch', 'length'] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['batch', width] }],
    initializers: [{ name: 'ones', type: 'float32', dims: [1, width], data: new Array(width).fill(1) }],
  };
}

beforeAll(async () => {
  writeModel(models.dir, 'vectors', wideVectors(), { task: 'embedding' });
  writeModel(models.dir, 'big', doubler(2_400_000));
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
    expect(gateway.gateway.resultMemory.bytes).toBeGreaterThan(BYTES);
    for (const other of [result, `/v1/jobs/${sent.body.id}`, `/result/${sent.body.id}`]) {
      const refused = await gateway.ask('GET', other);
      expect([refused.status, refused.body.code]).toEqual([503, 'BODIES_FULL']);
      expect(refused.headers.get('retry-after')).toBe('2');
    }
    // Requests with bodies have their own memory.
    const json = { model: 'doubler', queue: 'nobody', input: [1, 2, 3, 4] };
    expect((await gateway.ask('POST', '/v1/jobs', { json })).status).toBe(202);
    slow.destroy();
    await until(async () => (gateway.gateway.resultMemory.bytes === 0 ? true : undefined));
    const answer = await gateway.fetch('GET', result, { headers });
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(BYTES);
    await until(async () => (gateway.gateway.resultMemory.bytes === 0 ? true : undefined));
  });

  const type = { 'content-type': 'application/json' };
  const rowOf = (model: string, width: number) =>
    Buffer.from(`{"model":"${model}","input":[${'1,'.repeat(width - 1)}1]}`);
  const tensors = { method: 'POST', path: '/v2/models/huge/infer', body: Buffer.alloc(BYTES) };
  const asTensors = { 'content-type': 'application/octet-stream', 'inference-header-content-length': '0' };
  const vectors = {
    model: 'vectors',
    input: new Array(600).fill([1]),
    encoding_format: 'base64',
  };
  const asVectors = {
    method: 'POST',
    path: '/v1/embeddings',
    headers: type,
    body: Buffer.from(JSON.stringify(vectors)),
  };

  /** Sends a request, and reads nothing of its response. */
  async function slowly(asked: {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: Buffer;
  }): Promise<{ status: number | undefined; leave: () => void }> {
    const { method, path, headers, body } = asked;
    const slow = request(gateway.url + path, { method, headers });
    slow.on('error', () => undefined);
    slow.end(body);
    const [response] = (await once(slow, 'response')) as [IncomingMessage];
    return { status: response.statusCode, leave: () => slow.destroy() };
  }

  it.each([
    ['/v1/jobs with Prefer: wait', { ...type, prefer: 'wait=20' }, rowOf('big', 2_400_000), 9_600_000],
    ['/v2/models/huge/infer', asTensors, tensors.body, BYTES],
    // As text, which is larger than the vectors.
    ['/v1/embeddings', type, asVectors.body, 600 * 4096 * 4 * 1.33],
  ])('are those that a caller waits for, too: POST %s', async (address, headers, body, bytes) => {
    const [path = ''] = address.split(' ', 1);
    const { status, leave } = await slowly({ method: 'POST', path, headers, body });
    expect(status).toBe(200);
    expect(gateway.gateway.resultMemory.bytes).toBeGreaterThanOrEqual(bytes);
    leave();
    await until(async () => (gateway.gateway.resultMemory.bytes === 0 ? true : undefined));
  });

  it('without room leave a caller that waits the address of its job, or are refused before the run', async () => {
    const queued = await gateway.ask('POST', tensors.path, {
      body: tensors.body,
      headers: { ...asTensors, prefer: 'respond-async' },
    });
    const { self, result: path } = queued.body.urls;
    await gateway.ask('GET', `${self}/events`);
    const { leave } = await slowly({ method: 'GET', path, headers });
    const ended = async () =>
      (await gateway.ask('GET', '/v1/jobs?state=completed&limit=1000')).body.items.length as number;
    const before = await ended();
    const inference = await gateway.ask('POST', tensors.path, { body: tensors.body, headers: asTensors });
    const embedded = await gateway.ask('POST', asVectors.path, { json: vectors });
    for (const { status, text, headers } of [inference, embedded]) {
      expect([status, text]).toEqual([503, expect.stringContaining('large results already take')]);
      expect(headers.get('retry-after')).toBe('2');
    }
    expect(await ended()).toBe(before);
    const wait = { ...type, prefer: 'wait=20' };
    const body = rowOf('big', 2_400_000);
    const sent = await gateway.ask('POST', '/v1/jobs', { body, headers: wait });
    expect([sent.status, sent.body.state, sent.body.result]).toEqual([202, 'completed', undefined]);
    expect(sent.headers.get('location')).toBe(sent.body.urls.self);
    // Under an id of its own it is safe to send again.
    const own = () => gateway.ask('PUT', '/v1/jobs/own-id', { body, headers: wait });
    const refused = await own();
    expect([refused.status, refused.body.code]).toEqual([503, 'BODIES_FULL']);
    leave();
    await until(async () => (gateway.gateway.resultMemory.bytes === 0 ? true : undefined));
    const again = await own();
    expect([again.status, again.body.result.y.length]).toEqual([200, 2_400_000]);
    expect((await gateway.ask('GET', sent.body.urls.result)).body.y.length).toBe(2_400_000);
  });

  it('of a group are read ahead of a slow caller, fewer where there is little room', async () => {
    const row = `[${'1,'.repeat(199_999)}1]\n`;
    const type = { 'content-type': 'application/x-ndjson', prefer: 'wait=20' };
    const path = '/v1/jobs?model=wide&queue=realtime';
    const sent = await gateway.ask('POST', path, { body: row.repeat(24), headers: type });
    await gateway.ask('GET', `${sent.body.urls.self}/events`);
    const { client, resultMemory } = gateway.gateway;
    const group = await client.group(sent.body.id);
    for (const hasRoom of [true, false]) {
      let [held, most] = [0, 0];
      const took = (bytes: number) => {
        held += bytes;
        most = Math.max(most, held);
      };
      const memory = { hasRoom, took, gave: (bytes: number) => took(-bytes) };
      const chunks = client.groupChunks(group, { memory });
      let rows = ((await chunks.next()).value as { rows: number }).rows;
      // A chunk is one row of 800 KB; up to 16 are read.
      if (hasRoom) await until(async () => (held > 15 * 800_000 ? true : undefined));
      for await (const chunk of chunks) rows += chunk.rows;
      expect([rows, held]).toEqual([24, 0]);
      expect(most).toBeLessThan((hasRoom ? 17 : 1) * 801_000);
    }
    const { leave } = await slowly({ method: 'GET', path: sent.body.urls.result, headers: {} });
    await until(async () => (resultMemory.bytes > 4 * 800_000 ? true : undefined));
    leave();
    await until(async () => (resultMemory.bytes === 0 ? true : undefined));
    resultMemory.add(24 * 1024 ** 2);
    const refused = await gateway.ask('GET', sent.body.urls.result);
    resultMemory.free(24 * 1024 ** 2);
    expect([refused.status, refused.body.code]).toEqual([503, 'BODIES_FULL']);
  });

  it('that no response contains are not read', async () => {
    const sent = await gateway.ask('POST', '/v1/jobs', { json: many, headers: { prefer: 'wait=20' } });
    const { self } = sent.body.urls;
    const read = vi.spyOn(gateway.gateway.client.results, 'read');
    const cancelled = await gateway.ask('POST', `${self}/cancel`);
    expect([cancelled.status, cancelled.body.job.state]).toEqual([409, 'completed']);
    const events = await gateway.ask('GET', `${self}/events`);
    expect(events.text).toContain('"state":"completed"');
    expect(events.text).not.toContain('"result":[');
    expect((await gateway.ask('POST', `${self}/retry`)).status).toBe(409);
    expect(read).not.toHaveBeenCalled();
    isWhole((await gateway.ask('GET', self)).body.result);
    expect(read).toHaveBeenCalledOnce();
    expect((await gateway.ask('DELETE', self)).status).toBe(204);
    expect(read).toHaveBeenCalledOnce();
    read.mockRestore();
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

  it('does not ask for the body of a request that it refuses', async () => {
    const server = await GatewayKit.open(redis, { modelsDir: models.dir });
    server.startDraining();
    for (const address of ['/v1/jobs', '/predict', '/v1/embeddings', '/v2/models/doubler/infer']) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      const headers = ['Host: localhost', 'Content-Type: application/json', 'Content-Length: 9'];
      const lines = [`POST ${address} HTTP/1.1`, ...headers, 'Expect: 100-continue'];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      let text = '';
      for await (const piece of socket) text += String(piece);
      expect(text).toMatch(/^HTTP\/1\.1 503 /);
      expect(text).not.toContain('100 Continue');
    }
    await server.close();
  });
});
