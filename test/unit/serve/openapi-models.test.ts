import { afterEach, describe, expect, it } from 'vitest';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { ANYONE, type Caller, UNKNOWN } from '../../../src/lib/serve/auth/caller.js';
import { modelsFor } from '../../../src/lib/serve/gateway/own-models.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { readInferRequest } from '../../../src/lib/serve/oip/request.js';
import type { OpenapiDocument } from '../../../src/lib/serve/openapi/document.js';
import { withModels } from '../../../src/lib/serve/openapi/model-paths.js';
import { gatewayWithoutRedis, openapiProblems } from '../../support/openapi.js';
import { tensorSignature } from '../../support/signatures.js';

const open: Listening[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

/** The document of a gateway without models. */
const base = async (): Promise<OpenapiDocument> => {
  const server = await listen(gatewayWithoutRedis(), { host: '127.0.0.1', port: 0 });
  open.push(server);
  return (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenapiDocument;
};

const tensor = (
  name: string,
  shape: (number | null)[],
  more: Partial<TensorSignature> = {},
): TensorSignature =>
  tensorSignature(name, shape, { modelShape: ['n', ...shape.map((size) => size ?? 'open')], ...more });
const model = (
  name: string,
  inputs: TensorSignature[],
  more: Partial<ModelSignature> = {},
): ModelSignature => ({
  name,
  version: 1,
  task: 'tensor',
  batchable: true,
  inputs,
  outputs: [tensor('y', [2])],
  sizeBytes: 1,
  digest: 'd',
  warnings: [],
  ...more,
});

const MODELS: Readonly<Record<string, ModelSignature>> = {
  vector: model('vector', [tensor('x', [4])]),
  named: model('named', [
    tensor('ids', [null], { type: 'int64' }),
    tensor('mask', [3], { type: 'bool' }),
    tensor('scale', [1], { type: 'uint8', shared: true, batchAxis: null }),
    tensor('bias', [2], { default: 0.5 }),
  ]),
  text: model('text', [tensor('sentence', [1], { type: 'string' })], {
    outputs: [tensor('label', [], { type: 'string' })],
  }),
  turned: model('turned', [tensor('seq', [3], { batchAxis: 1 })]),
  single: model('single', [tensor('image', [1, 2, 2], { batchAxis: null })], { batchable: false }),
};

type Json = Record<string, unknown>;
interface InferBody {
  schema: Json;
  examples: { zeros: { value: { inputs: Json[] } } };
}
const bodyOf = (document: OpenapiDocument, name: string): InferBody =>
  document.paths[`/v2/models/${name}/infer`]?.post?.requestBody?.content[
    'application/json'
  ] as unknown as InferBody;

describe('the path of a model', () => {
  it('has an example that fits its schema, and that the model takes', async () => {
    const document = withModels(await base(), Object.values(MODELS));
    expect(await openapiProblems(document)).toEqual([]);
    for (const [name, signature] of Object.entries(MODELS)) {
      const { value } = bodyOf(document, name).examples.zeros;
      const request = readInferRequest(Buffer.from(JSON.stringify(value)), undefined, signature);
      expect(request.payload.rows, name).toBe(1);
    }
  });

  it.each<[string, string, (inputs: Json[]) => Json[]]>([
    ['an input of another name', 'vector', ([x]) => [{ ...x, name: 'z' }]],
    ['another type', 'vector', ([x]) => [{ ...x, datatype: 'INT8' }]],
    ['another shape', 'vector', ([x]) => [{ ...x, shape: [1, 5] }]],
    ['a shape without rows', 'vector', ([x]) => [{ ...x, shape: [4] }]],
    ['text for numbers', 'vector', ([x]) => [{ ...x, data: ['a', 'b', 'c', 'd'] }]],
    ['no data', 'vector', ([x]) => [{ name: x?.name, shape: x?.shape, datatype: x?.datatype }]],
    ['a missing input', 'named', (inputs) => inputs.slice(1)],
    ['an input too many', 'vector', (inputs) => [...inputs, ...inputs]],
    ['no input', 'vector', () => []],
    ['numbers for text', 'text', ([sentence]) => [{ ...sentence, data: [1] }]],
    ['rows along the wrong axis', 'turned', ([seq]) => [{ ...seq, shape: [1, 3] }]],
  ])('refuses %s, as the model does', async (_, name, wrong) => {
    const signature = MODELS[name] as ModelSignature;
    const document = structuredClone(withModels(await base(), [signature]));
    const example = bodyOf(document, name).examples.zeros;
    example.value.inputs = wrong(example.value.inputs);
    const problems = await openapiProblems(document);
    expect(problems).not.toEqual([]);
    expect(problems.every((problem) => problem.startsWith('no-invalid-media-type-examples'))).toBe(true);
    const body = Buffer.from(JSON.stringify(example.value));
    expect(() => readInferRequest(body, undefined, signature)).toThrow(/./);
  });

  it('takes more rows, nested values, and what JSON cannot write as text', async () => {
    const document = structuredClone(withModels(await base(), Object.values(MODELS)));
    const send = (name: string, change: (inputs: Json[]) => void) => {
      const example = bodyOf(document, name).examples.zeros;
      change(example.value.inputs);
      const body = Buffer.from(JSON.stringify(example.value));
      return readInferRequest(body, undefined, MODELS[name] as ModelSignature).payload.rows;
    };
    const rows = send('vector', ([x]) => {
      Object.assign(x as Json, {
        shape: [2, 4],
        data: [
          [1, 'NaN', 3, 4],
          [5, 6, '-Infinity', 8],
        ],
      });
    });
    expect(rows).toBe(2);
    send('named', ([ids]) => {
      Object.assign(ids as Json, { shape: [1, 2], data: ['9007199254740993', 7] });
    });
    expect(await openapiProblems(document)).toEqual([]);
  });

  it('has no JSON for a model that takes FP16, and no example that is long', async () => {
    const half = model('half', [tensor('x', [4], { type: 'float16' })]);
    const picture = model('picture', [tensor('pixels', [3, 1024, 1024])]);
    const document = withModels(await base(), [half, picture]);
    const content = document.paths['/v2/models/half/infer']?.post?.requestBody?.content;
    expect(Object.keys(content ?? {})).toEqual(['application/octet-stream']);
    expect(bodyOf(document, 'picture')).not.toHaveProperty('examples');
    expect(JSON.stringify(document).length).toBeLessThan(1_000_000);
    expect(await openapiProblems(document)).toEqual([]);
  });

  it('keeps what holds for all models, with a name of its own', async () => {
    const all = await base();
    const { paths } = withModels(all, [MODELS.vector as ModelSignature]);
    const [own, generic] = [paths['/v2/models/vector/infer']?.post, paths['/v2/models/{model}/infer']?.post];
    expect(own?.operationId).toBe('infer-vector');
    expect(own?.security).toEqual(generic?.security);
    expect(Object.keys(own?.responses ?? {})).toEqual(Object.keys(generic?.responses ?? {}));
    expect(own?.parameters).toEqual(generic?.parameters?.filter(({ name }) => name !== 'model'));
    expect(all.paths['/v2/models/vector/infer']).toBeUndefined();
  });

  it('comes with an example of a job for each model', async () => {
    const { paths } = withModels(await base(), Object.values(MODELS));
    const media = paths['/v1/jobs']?.post?.requestBody?.content['application/json'] as {
      examples: Record<string, { value: Json }>;
    };
    expect(Object.keys(media.examples)).toEqual(expect.arrayContaining(Object.keys(MODELS)));
    expect(media.examples.vector?.value).toEqual({ model: 'vector', input: [0, 0, 0, 0] });
  });

  it('is left out beyond two hundred models, and examples beyond twenty', async () => {
    const many = Array.from({ length: 250 }, (_, i) => model(`m${i}`, [tensor('x', [1])]));
    const document = withModels(await base(), many);
    const own = Object.keys(document.paths).filter((path) => /^\/v2\/models\/m\d+\/infer$/.test(path));
    expect(own).toHaveLength(200);
    const media = document.paths['/v1/jobs']?.post?.requestBody?.content['application/json'] as {
      examples: Json;
    };
    expect(Object.keys(media.examples).filter((name) => /^m\d+$/.test(name))).toHaveLength(20);
  });
});

describe('the models that a caller is told of', () => {
  const served = [{ name: 'digits' }, { name: 'ocr' }];
  const token = (models?: string[]): Caller => ({ name: 'web', allows: () => true, models });

  it.each([
    ['all, where no token is asked for', ANYONE, ['digits', 'ocr']],
    ['none, before it has said who it is', UNKNOWN, []],
    ['all, for a token without models of its own', token(), ['digits', 'ocr']],
    ['its own, for a token with models', token(['ocr', 'none']), ['ocr']],
    ['none, for a token that may use none of them', token([]), []],
  ])('are %s', (_, caller, names) => {
    expect(modelsFor(caller, served).map(({ name }) => name)).toEqual(names);
  });
});
