import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeStrings } from '../../../src/lib/model/tensor.js';
import { until, useInfer } from '../../support/cli.js';
import {
  adder,
  batchAxisOne,
  doubler,
  fixedBatch,
  identity,
  scores,
  stringEcho,
  tokens,
  writeModel,
} from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, control: true });

beforeAll(async () => {
  const { dir } = models;
  writeModel(dir, 'double', doubler(2));
  writeModel(dir, 'add', adder(2));
  writeModel(dir, 'axis', batchAxisOne());
  writeModel(dir, 'one', fixedBatch());
  writeModel(dir, 'half', identity('float16'));
  writeModel(dir, 'ids', tokens(2));
  writeModel(dir, 'echo', stringEcho());
  writeModel(dir, 'raw', scores(3));
  writeModel(dir, 'named', scores(3), { task: 'classification', labels: ['a', 'b', 'c'] });
  await infer.worker(['--models', dir]);
});

type Json = Record<string, unknown>;

const get = async (where: string): Promise<{ status: number; body: Json }> => {
  const answer = await fetch(`${gateway.url}${where}`);
  return { status: answer.status, body: (await answer.json()) as Json };
};

const post = (where: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}${where}`, {
    method: 'POST',
    headers,
    body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
  });

const ask = async (model: string, body: unknown, headers?: Record<string, string>) => {
  const answer = await post(`/v2/models/${model}/infer`, body, headers);
  return { status: answer.status, body: (await answer.json()) as Json };
};

const HEADER = 'inference-header-content-length';

/** A request with binary tensors behind its JSON, and the answer split in the same way. */
const binary = async (
  model: string,
  json: unknown,
  tensors: Uint8Array[],
  more: Record<string, string> = {},
) => {
  const head = Buffer.from(JSON.stringify(json));
  const body = Buffer.concat([head, ...tensors]);
  const answer = await post(`/v2/models/${model}/infer`, body, { [HEADER]: String(head.length), ...more });
  return split(answer);
};

const split = async (answer: Response) => {
  const bytes = Buffer.from(await answer.arrayBuffer());
  const length = Number(answer.headers.get(HEADER) ?? bytes.length);
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    json: JSON.parse(bytes.toString('utf8', 0, length)) as Json,
    rest: [...bytes.subarray(length)],
  };
};

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const x = (data: number[], rows = 1) => ({
  name: 'x',
  datatype: 'FP32',
  shape: [rows, data.length / rows],
  data,
});

describe('the server', () => {
  it('reports its metadata and health, with and without a trailing slash', async () => {
    for (const where of ['/v2', '/v2/']) {
      const { status, body } = await get(where);
      expect(status).toBe(200);
      expect(body).toMatchObject({ name: 'infer', version: '0.0.0' });
      expect(body.extensions).toContain('binary_tensor_data');
    }
    expect(await get('/v2/health/live')).toEqual({ status: 200, body: { live: true } });
    expect(await get('/v2/health/ready')).toEqual({ status: 200, body: { ready: true } });
  });

  it('answers unknown addresses and methods in JSON with an error', async () => {
    expect(await get('/v2/none')).toMatchObject({ status: 404, body: { error: expect.any(String) } });
    expect(await get('/v2/models/double/infer')).toMatchObject({
      status: 405,
      body: { code: 'HTTP_METHOD' },
    });
  });
});

describe('a model', () => {
  it("has metadata with rows on the model's own axis", async () => {
    expect(await get('/v2/models/double')).toEqual({
      status: 200,
      body: {
        name: 'double',
        versions: ['1'],
        platform: 'onnxruntime_onnx',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
        properties: { task: 'tensor', batchable: 'true' },
      },
    });
    expect((await get('/v2/models/axis')).body.inputs).toContainEqual({
      name: 'state',
      datatype: 'FP32',
      shape: [2, -1, 3],
    });
    expect((await get('/v2/models/one')).body.inputs).toEqual([
      { name: 'x', datatype: 'FP32', shape: [1, 4] },
    ]);
    expect((await get('/v2/models/double/versions/1')).status).toBe(200);
  });

  it("has a configuration in Triton's form", async () => {
    expect((await get('/v2/models/double/config')).body).toMatchObject({
      name: 'double',
      backend: 'onnxruntime',
      max_batch_size: 1024,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [2] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [2] }],
    });
    expect((await get('/v2/models/axis/config')).body).toMatchObject({ max_batch_size: 0 });
    expect((await get('/v2/models/echo/config')).body).toMatchObject({
      input: [{ data_type: 'TYPE_STRING' }],
    });
  });

  it('is ready, or unknown, in the wording that clients look for', async () => {
    expect(await get('/v2/models/double/ready')).toEqual({
      status: 200,
      body: { name: 'double', ready: true },
    });
    for (const where of [
      '/v2/models/nope',
      '/v2/models/nope/ready',
      '/v2/models/nope/config',
      '/v2/models/nope/stats',
    ]) {
      const { status, body } = await get(where);
      expect({ where, status, error: body.error }).toEqual({
        where,
        status: 404,
        error: "Request for unknown model: 'nope' is not found",
      });
    }
    expect(await get('/v2/models/double/versions/9/ready')).toMatchObject({
      status: 404,
      body: { error: "Request for unknown model: 'double' version 9 is not found", code: 'MODEL_UNKNOWN' },
    });
    expect(await ask('double/versions/9', { inputs: [x([1, 2])] })).toMatchObject({ status: 404 });
    expect((await ask('%20', { inputs: [] })).status).toBe(404);
  });

  it('has statistics', async () => {
    await ask('add', { inputs: ['a', 'b'].map((name) => ({ ...x([1, 2, 3, 4], 2), name })) });
    const found = await until(async () => {
      const { body } = await get('/v2/models/add/stats');
      const [stats] = body.model_stats as { inference_count: number }[];
      return stats !== undefined && stats.inference_count > 0 ? stats : undefined;
    });
    expect(found).toMatchObject({
      name: 'add',
      version: '1',
      inference_count: 2,
      execution_count: 1,
      inference_stats: {
        success: { count: 1, ns: expect.any(Number) },
        fail: { count: 0 },
        queue: { count: 1 },
      },
    });
    const all = (await get('/v2/models/stats')).body.model_stats as { name: string }[];
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['add', 'double', 'slow']));
  });
});

describe('infer', () => {
  it('answers JSON with JSON, and repeats the id', async () => {
    expect(await ask('double', { id: 'r 1', inputs: [x([1, 2, 3, 4], 2)] })).toEqual({
      status: 200,
      body: {
        model_name: 'double',
        model_version: '1',
        id: 'r 1',
        outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], data: [3, 5, 7, 9] }],
      },
    });
    expect((await ask('double/versions/1', { inputs: [x([1, 2])] })).body).not.toHaveProperty('id');
  });

  it('accepts and returns binary tensors', async () => {
    const json = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    };
    expect(await binary('double', json, [bytesOf(Float32Array.of(1, -2))])).toEqual({
      status: 200,
      type: 'application/octet-stream',
      json: {
        model_name: 'double',
        model_version: '1',
        outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
      },
      rest: [...bytesOf(Float32Array.of(3, -3))],
    });
  });

  it('accepts a body that is only the one tensor', async () => {
    const answer = await post('/v2/models/double/infer', bytesOf(Float32Array.of(1, 2)), { [HEADER]: '0' });
    const { status, rest } = await split(answer);
    expect({ status, rest }).toEqual({ status: 200, rest: [...bytesOf(Float32Array.of(3, 5))] });
  });

  it('passes float16 as bytes, and refuses it as JSON', async () => {
    const halves = bytesOf(Uint16Array.of(0x3c00, 0xc000));
    const inputs = [{ name: 'x', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } }];
    const answer = await binary('half', { parameters: { binary_data_output: true }, inputs }, [halves]);
    expect({ status: answer.status, rest: answer.rest }).toEqual({ status: 200, rest: [...halves] });
    expect(await binary('half', { inputs }, [halves])).toMatchObject({
      status: 400,
      json: { error: expect.stringContaining('sending FP16 data via JSON is not supported') },
    });
    const other = [{ ...inputs[0], datatype: 'BF16' }];
    expect(
      await binary('half', { parameters: { binary_data_output: true }, inputs: other }, [halves]),
    ).toMatchObject({
      status: 400,
      json: { error: expect.stringContaining('datatype BF16 found') },
    });
  });

  it('passes text and 64-bit integers exactly', async () => {
    const texts = encodeStrings(['é', '']);
    const inputs = [
      { name: 'text', datatype: 'BYTES', shape: [2, 1], parameters: { binary_data_size: texts.length } },
    ];
    const echoed = await binary('echo', { inputs }, [texts]);
    expect(echoed.json.outputs).toEqual([{ name: 'out', datatype: 'BYTES', shape: [2, 1], data: ['é', ''] }]);
    const body =
      '{"inputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":[9007199254740993,-9007199254740995]}]}';
    const answer = await post('/v2/models/ids/infer', Buffer.from(body));
    expect(await answer.text()).toContain('"data":[9007199254740994,-9007199254740994]');
  });

  it('has rows along the axis that the model has them on', async () => {
    const data = [1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60];
    const inputs = [x([1, 2, 3, 4, 5, 6], 2), { name: 'state', datatype: 'FP32', shape: [2, 2, 3], data }];
    const { body } = await ask('axis', { inputs, outputs: [{ name: 'next' }] });
    expect(body.outputs).toEqual([
      { name: 'next', datatype: 'FP32', shape: [2, 2, 3], data: data.map((value) => value + 1) },
    ]);
    const single = await ask('one', { inputs: [x([1, 2, 3, 4])] });
    expect(single.body.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [2, 4, 6, 8] }]);
  });

  it('returns scores as classes, with the labels of the model', async () => {
    const row = x([1, 3, 2]);
    const output = 'logits';
    const wish = (name: unknown, n: number) => [{ name, parameters: { classification: n } }];
    const raw = await ask('raw', { inputs: [row], outputs: wish(output, 2) });
    expect(raw.body.outputs).toEqual([
      {
        name: output,
        datatype: 'BYTES',
        shape: [1, 2],
        data: [expect.stringMatching(/:1$/), expect.stringMatching(/:2$/)],
      },
    ]);
    const named = await ask('named', { inputs: [row], outputs: wish('confidence', 1) });
    expect(named.body.outputs).toEqual([
      { name: 'confidence', datatype: 'BYTES', shape: [1, 1], data: [expect.stringMatching(/^0\.\d+:1:b$/)] },
    ]);
  });

  it('accepts gzip and deflate, and compresses only responses to infer', async () => {
    const rows = 400;
    const big = {
      inputs: [
        x(
          Array.from({ length: 2 * rows }, () => 1),
          rows,
        ),
      ],
    };
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const body = pack(Buffer.from(JSON.stringify(big)));
      const answer = await post('/v2/models/double/infer', body, {
        'content-encoding': encoding,
        'accept-encoding': encoding,
      });
      expect(answer.headers.get('content-encoding')).toBe(encoding);
      const { outputs } = (await answer.json()) as { outputs: { data: number[] }[] };
      expect(outputs[0]?.data).toEqual(Array.from({ length: 2 * rows }, () => 3));
    }
    const plain = await fetch(`${gateway.url}/v2/models/stats`, { headers: { 'accept-encoding': 'gzip' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    await plain.arrayBuffer();
    const refused = await post('/v2/models/double/infer', Buffer.from('x'), { 'content-encoding': 'br' });
    expect(refused.status).toBe(415);
    expect(await refused.json()).toMatchObject({ error: expect.any(String) });
  });

  it('has the length of the uncompressed JSON if the body is compressed', async () => {
    const json = JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [x(new Array(800).fill(1), 400)],
    });
    const raw = await new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      const headers = { 'accept-encoding': 'gzip', 'content-length': Buffer.byteLength(json) };
      const sent = httpRequest(
        `${gateway.url}/v2/models/double/infer`,
        { method: 'POST', headers },
        (answer) => {
          const pieces: Buffer[] = [];
          answer.on('data', (piece: Buffer) => pieces.push(piece));
          answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(pieces) }));
        },
      );
      sent.on('error', reject);
      sent.end(json);
    });
    const body = gunzipSync(raw.body);
    const length = Number(raw.headers[HEADER]);
    expect(JSON.parse(body.toString('utf8', 0, length))).toMatchObject({ model_name: 'double' });
    expect(body.length - length).toBe(800 * 4);
  });

  it.each([
    ['malformed JSON', 'double', Buffer.from('{'), 'INPUT_JSON'],
    ['a wrong shape', 'double', { inputs: [x([1, 2, 3])] }, 'INPUT_SHAPE'],
    ['a missing input', 'add', { inputs: [] }, 'INPUT_NAMES'],
    [
      'NUL in a text',
      'echo',
      { inputs: [{ name: 'text', datatype: 'BYTES', shape: [1, 1], data: ['a\0'] }] },
      'INPUT_VALUE',
    ],
    ['a wrong parameter', 'double', { parameters: { priority: 'high' }, inputs: [x([1, 2])] }, 'PARAMETER'],
    ['a queue that cannot be', 'double', { parameters: { queue: 'a b' }, inputs: [x([1, 2])] }, 'QUEUE_NAME'],
  ])('answers %s with 400', async (_, model, body, code) => {
    const answer = await ask(model, body);
    expect(answer).toMatchObject({ status: 400, body: { code, status: 400, error: expect.any(String) } });
  });

  it('answers a body that is too large with 413', async () => {
    expect(await ask('double', Buffer.alloc(1024 * 1024 + 1))).toMatchObject({
      status: 413,
      body: { code: 'INPUT_TOO_LARGE' },
    });
  });

  it('answers a run that fails with 500', async () => {
    const index = { name: 'index', datatype: 'INT64', shape: [1, 1], data: [99] };
    expect(await ask('poison', { inputs: [index] })).toMatchObject({
      status: 500,
      body: { code: 'RUN_FAILED' },
    });
  });

  it('answers 503 with the command that starts a worker if none takes the job', async () => {
    const { status, body } = await ask('double', { parameters: { queue: 'lonely' }, inputs: [x([1, 2])] });
    expect(status).toBe(503);
    expect(body).toMatchObject({
      code: 'NO_WORKERS',
      hint: expect.stringContaining('infer worker -Q lonely --model double'),
    });
  });

  it('answers 504 if it did not start in time', async () => {
    expect((await infer.ask(['control', 'pause', 'batch'])).exitCode).toBe(0);
    const late = await ask('double', {
      parameters: { timeout: 50_000, queue: 'batch' },
      inputs: [x([1, 2])],
    });
    expect(late).toMatchObject({
      status: 504,
      body: { code: 'EXPIRED', error: expect.stringContaining('Request timeout expired') },
    });
    expect((await infer.ask(['control', 'resume', 'batch'])).exitCode).toBe(0);
  });

  it('returns the job if that is preferred, with the same result', async () => {
    const answer = await post(
      '/v2/models/double/infer',
      { inputs: [x([1, 2])] },
      { prefer: 'respond-async' },
    );
    const job = (await answer.json()) as { id: string };
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(answer.headers.get('preference-applied')).toBe('respond-async');
    const ended = await gateway.gateway.client.wait(job.id, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ state: 'completed', result: { y: [3, 5] } });
  });

  it('cancels the job of a caller that disconnects', async () => {
    const body = JSON.stringify(slowRequest(2000));
    const port = Number(new URL(gateway.url).port);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `POST /v2/models/slow/infer HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const { client } = gateway.gateway;
    const id = await until(async () => {
      const keys = await client.redis.keys('*:active');
      for (const key of keys) {
        const [first] = await client.redis.lrange(key, 0, 0);
        if (first !== undefined) return first;
      }
      return undefined;
    });
    socket.destroy();
    expect(await client.wait(id, { timeoutMs: 60_000 })).toMatchObject({ state: 'cancelled' });
  });
});

/** Of the model `slow`: so many turns of about 5 ms. */
function slowRequest(turns: number) {
  return { inputs: [x([1, 2]), { name: 'turns', datatype: 'INT64', shape: [1], data: [turns] }] };
}

describe('the repository', () => {
  it('lists models and their state', async () => {
    writeModel(models.dir, 'later', doubler(2));
    const all = (await (await post('/v2/repository/index', {})).json()) as { name: string; state: string }[];
    expect(all).toContainEqual({ name: 'double', version: '1', state: 'READY', reason: '' });
    expect(all).toContainEqual({
      name: 'later',
      version: '1',
      state: 'UNAVAILABLE',
      reason: 'no worker serves it',
    });
    const ready = (await (await post('/v2/repository/index', { ready: true })).json()) as { name: string }[];
    expect(ready.map(({ name }) => name)).not.toContain('later');
    expect(await get('/v2/models/later/ready')).toMatchObject({
      status: 503,
      body: { hint: 'infer worker --model later' },
    });
  });

  it("loads and unloads models, and reports failures in Triton's wording", async () => {
    writeModel(models.dir, 'added', doubler(2));
    const load = await post('/v2/repository/models/added/load', {});
    expect(load.status).toBe(200);
    await load.arrayBuffer();
    expect((await ask('added', { inputs: [x([1, 2])] })).status).toBe(200);
    const unload = await post('/v2/repository/models/added/unload', {
      parameters: { unload_dependents: true },
    });
    expect(unload.status).toBe(200);
    await unload.arrayBuffer();
    expect((await get('/v2/models/added/ready')).status).toBe(503);
    const again = await post('/v2/repository/models/added/unload', {});
    expect(again.status).toBe(200);
    await again.arrayBuffer();
    writeModel(models.dir, 'broken', Buffer.from('no model'));
    const broken = await post('/v2/repository/models/broken/load', {});
    expect(broken.ok).toBe(false);
    expect(await broken.json()).toMatchObject({ error: expect.stringContaining("failed to load 'broken'") });
    const config = await post('/v2/repository/models/added/load', { parameters: { config: '{}' } });
    expect(config.status).toBe(400);
    await config.arrayBuffer();
  });
});
