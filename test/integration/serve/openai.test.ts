import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { embedding } from '../../support/row-models.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

/** A handler that makes tokens of text: the number of each letter, a is 1. */
const TOKENIZER = `export const preprocess = (text) => {
  const ids = [...String(text)].map((letter) => letter.charCodeAt(0) - 96);
  return { ids, attention_mask: ids.map(() => 1) };
};`;

beforeAll(async () => {
  writeModel(models.dir, 'embed', embedding(), { task: 'embedding' });
  writeModel(
    models.dir,
    'letters',
    embedding(),
    { task: 'embedding', handler: './tokens.mjs' },
    { files: { 'tokens.mjs': TOKENIZER } },
  );
  writeModel(models.dir, 'numbers', doubler(3), { task: 'embedding' });
  await infer.worker(['--models', models.dir]);
});

const client = () => new OpenAI({ apiKey: 'alice', baseURL: `${gateway.url}/v1`, maxRetries: 0 });

/** Row `id` of the table of `embedding()`, and the mean of several. */
const wordVector = (id: number): number[] =>
  Array.from({ length: 3 }, (_, at) => Math.fround(Math.sin((id * 3 + at) * 12.9898) * 0.7));
const meanVector = (ids: readonly number[]): number[] =>
  [0, 1, 2].map((at) => ids.reduce((sum, id) => sum + (wordVector(id)[at] as number), 0) / ids.length);

const near = (found: readonly number[] | undefined, wanted: readonly number[]): void => {
  expect(found).toHaveLength(wanted.length);
  for (const [at, value] of wanted.entries()) expect(found?.[at]).toBeCloseTo(value, 5);
};

describe('the client of OpenAI', () => {
  it('lists the models, and reads one', async () => {
    const found = [];
    for await (const model of client().models.list()) found.push(model);
    expect(found).toContainEqual({
      id: 'embed',
      object: 'model',
      created: expect.any(Number),
      owned_by: 'infer',
      task: 'embedding',
      versions: [1],
      ready: true,
    });
    expect(found.every(({ created }) => created > 1_700_000_000)).toBe(true);
    expect(await client().models.retrieve('doubler')).toMatchObject({ id: 'doubler', task: 'tensor' });
    await expect(client().models.retrieve('nope')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      type: 'invalid_request_error',
      param: 'model',
    });
  });

  it('embeds lists of tokens of different lengths, in their order', async () => {
    const input = [[1, 2, 3], [4], [5, 6, 7], [8, 9]];
    // Without an encoding the client asks for base64, and decodes it.
    for (const more of [{}, { encoding_format: 'float' as const }]) {
      const { data, usage, model, object } = await client().embeddings.create({
        model: 'embed',
        input,
        ...more,
      });
      expect({ object, model, usage }).toEqual({
        object: 'list',
        model: 'embed',
        usage: { prompt_tokens: 9, total_tokens: 9 },
      });
      expect(data.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      for (const [at, ids] of input.entries()) near(data[at]?.embedding, meanVector(ids));
    }
    const one = await client().embeddings.create({ model: 'embed@1', input: [3, 4], dimensions: 3 });
    near(one.data[0]?.embedding, meanVector([3, 4]));
  });

  it('embeds text with a model whose handler tokenizes it', async () => {
    const { data, usage } = await client().embeddings.create({ model: 'letters', input: ['ab', 'c'] });
    near(data[0]?.embedding, meanVector([1, 2]));
    near(data[1]?.embedding, meanVector([3]));
    expect(usage).toEqual({ prompt_tokens: 0, total_tokens: 0 });
    const single = await client().embeddings.create({ model: 'letters', input: 'c' });
    near(single.data[0]?.embedding, meanVector([3]));
  });

  it.each([
    [
      'text for a model that takes tokens',
      { model: 'embed', input: 'hello' },
      400,
      'INPUT_TYPE',
      'send lists of tokens',
    ],
    [
      'a model without embeddings',
      { model: 'doubler', input: 'hello' },
      400,
      'MODEL_TASK',
      'its task is tensor',
    ],
    [
      'a model that takes floats',
      { model: 'numbers', input: [1, 2, 3] },
      400,
      'MODEL_TASK',
      'neither text nor tokens',
    ],
    ['no such model', { model: 'nope', input: 'hello' }, 404, 'model_not_found', 'nope'],
    ['an empty list', { model: 'embed', input: [] as string[] }, 400, 'PARAMETER', 'input'],
    ['other dimensions', { model: 'embed', input: [1], dimensions: 8 }, 400, 'PARAMETER', 'vectors of 3'],
    ['a token beyond the table', { model: 'embed', input: [99] }, 500, 'RUN_FAILED', ''],
  ])('hears of %s', async (_, body, status, code, text) => {
    const failure = await client()
      .embeddings.create(body)
      .then(
        () => undefined,
        (error: unknown) => error as InstanceType<typeof OpenAI.APIError>,
      );
    expect(failure).toMatchObject({ status, code });
    expect(failure?.message).toContain(text);
  });

  it('gets errors of malformed requests in the same form', async () => {
    for (const [body, param] of [
      ['{', null],
      ['{"input":"x"}', 'model'],
      ['{"model":"embed","input":{}}', 'input'],
      ['{"model":"embed","input":[1],"encoding_format":"hex"}', 'encoding_format'],
    ] as const) {
      const { status, body: answer } = await gateway.ask('POST', '/v1/embeddings', { body });
      expect(status).toBe(400);
      expect(answer).toEqual({
        error: {
          message: expect.any(String),
          type: 'invalid_request_error',
          code: expect.any(String),
          param,
        },
      });
    }
  });
});

it('without a worker of its model the answer is 503, with the command that starts one, in the form of OpenAI', async () => {
  writeModel(models.dir, 'later', embedding(), { task: 'embedding' });
  const answer = await fetch(`${gateway.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'later', input: [1, 2] }),
  });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await answer.json()).toEqual({
    error: {
      message: expect.stringContaining('infer worker'),
      type: 'server_error',
      code: 'NO_WORKERS',
      param: null,
    },
  });
});

describe('an embedding by other routes', () => {
  it('is the one output of its model', async () => {
    const { body } = await gateway.ask('GET', '/v2/models/embed');
    expect(body.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1, 3] }]);
    expect(body.properties.task).toBe('embedding');
  });
});
