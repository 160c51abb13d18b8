import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { rowValues } from '../../../src/lib/model/rows.js';
import type { LoadedModel } from '../../../src/lib/model/runner.js';
import * as onnx from '../../support/onnx-builder.js';
import { output, payload, rowTensor } from './payloads.js';
import { useRunner } from './use-runner.js';

const { dir, runner } = useRunner('models');
const models = path.join(dir, 'models');
const WEIGHTS = Buffer.from(Float32Array.of(10, 20).buffer);

const refused = async (name: string): Promise<{ code: string; message: string; hint: string }> =>
  (await runner.load(name).catch((error: unknown) => error)) as {
    code: string;
    message: string;
    hint: string;
  };
const answer = async (model: string, xs: number[], name = 'y') =>
  output(
    (await runner.run({ model, parts: [payload(1, rowTensor('x', 'float32', [xs.length], xs))] })).outputs,
    name,
  );

describe('reloading a model with changed files', () => {
  const HANDLER = "import { word } from './word.mjs'; export const postprocess = () => word;";
  const make = (name: string, weights = WEIGHTS) => {
    const modelDir = onnx.writeModel(
      models,
      name,
      onnx.externalWeights('w.bin'),
      { handler: './handler.mjs' },
      {
        files: { 'handler.mjs': HANDLER, 'word.mjs': "export const word = 'a';", 'notes.txt': 'a' },
      },
    );
    writeFileSync(path.join(modelDir, '1', 'w.bin'), weights);
    return modelDir;
  };
  const again = (name: string, { content }: LoadedModel) =>
    runner.load(name, { version: 1, expect: content });

  it.each([
    [
      '1/model.onnx',
      (at: string) =>
        onnx.writeModel(path.dirname(path.dirname(path.dirname(at))), 'c0', onnx.externalWeights('w.bin', 8)),
    ],
    ['1/w.bin', (at: string) => writeFileSync(at, Buffer.from(Float32Array.of(10, 21).buffer))],
    ['model.json', (at: string) => writeFileSync(at, '{"handler": "./handler.mjs", "maxBatch": 2}')],
    ['handler.mjs', (at: string) => writeFileSync(at, `${HANDLER}\n`)],
    ['word.mjs', (at: string) => writeFileSync(at, "export const word = 'b';")],
  ])('is refused with the name of the change: %s', async (file, change) => {
    const name = `c${['1/model.onnx', '1/w.bin', 'model.json', 'handler.mjs', 'word.mjs'].indexOf(file)}`;
    const modelDir = make(name);
    const loaded = await runner.load(name);
    await expect(again(name, loaded)).resolves.toMatchObject({
      signature: { digest: loaded.signature.digest },
    });
    const at = path.join(modelDir, file);
    const before = readFileSync(at);
    change(at);
    await expect(again(name, loaded)).rejects.toMatchObject({
      code: 'MODEL_CHANGED',
      message: `model ${name}@1 is not what this worker loaded: ${file} changed on disk`,
      hint: expect.stringContaining(`infer control load WORKER ${name}`),
    });
    writeFileSync(at, before);
    await expect(again(name, loaded)).resolves.toMatchObject({
      signature: { digest: loaded.signature.digest },
    });
  });

  it('ignores times, unrelated files and a moved directory, but not a new model.json', async () => {
    const modelDir = onnx.writeModel(models, 'kept', onnx.doubler());
    const loaded = await runner.load('kept');
    const file = path.join(modelDir, '1', 'model.onnx');
    utimesSync(file, new Date(0), new Date(0));
    writeFileSync(path.join(modelDir, '1', 'README.md'), 'notes');
    cpSync(file, `${file}.new`);
    renameSync(`${file}.new`, file);
    await expect(again('kept', loaded)).resolves.toBeDefined();
    writeFileSync(path.join(modelDir, 'model.json'), '{"maxBatch": 1}');
    await expect(again('kept', loaded)).rejects.toMatchObject({
      code: 'MODEL_CHANGED',
      message: expect.stringContaining('model.json changed on disk'),
    });
  });

  it('counts files that a handler writes, unless model.json declares them', async () => {
    const files = {
      'handler.mjs': "export const postprocess = () => './cache.json'; export const log = './run.log';",
    };
    const modelDir = onnx.writeModel(
      models,
      'writer',
      onnx.doubler(),
      { handler: './handler.mjs' },
      { files },
    );
    const loaded = await runner.load('writer');
    writeFileSync(path.join(modelDir, 'cache.json'), '{}');
    await expect(again('writer', loaded)).rejects.toMatchObject({
      code: 'MODEL_CHANGED',
      message: expect.stringContaining('cache.json changed on disk'),
      hint: expect.stringContaining(
        'if the handler writes it: "handlerWrites": ["cache.json"] in model.json',
      ),
    });
    const manifest = { handler: './handler.mjs', handlerWrites: ['cache.json', 'run.log'] };
    onnx.writeModel(models, 'writer', onnx.doubler(), manifest);
    const told = await runner.load('writer');
    writeFileSync(path.join(modelDir, 'cache.json'), '{"more": 1}');
    writeFileSync(path.join(modelDir, 'run.log'), 'line');
    await expect(again('writer', told)).resolves.toMatchObject({
      signature: { digest: told.signature.digest, warnings: [] },
    });
  });

  it('is refused for a version that was removed or became unreadable', async () => {
    const modelDir = onnx.writeModel(models, 'going', onnx.doubler());
    const loaded = await runner.load('going');
    writeFileSync(path.join(modelDir, 'model.json'), '{');
    await expect(again('going', loaded)).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
    renameSync(path.join(modelDir, '1'), path.join(modelDir, '2'));
    rmSync(path.join(modelDir, 'model.json'));
    await expect(again('going', loaded)).rejects.toMatchObject({
      code: 'MODEL_CHANGED',
      message: "model going@1 cannot be loaded again: model 'going' has no version 1",
    });
  });
});

it("a file that cannot be read is reported as its model's fault, whatever the system error", async () => {
  mkdirSync(path.join(models, 'folder', '1', 'model.onnx'), { recursive: true });
  expect(await refused('folder')).toMatchObject({
    code: 'MODEL_READ_FAILED',
    message: expect.stringMatching(/^model 'folder': .* cannot be read: EISDIR/),
  });
});

describe('weights behind symbolic links', () => {
  const blobs = path.join(dir, 'hub', 'blobs');
  const snapshot = path.join(dir, 'hub', 'snapshots', 'abc', 'onnx');
  beforeAll(() => {
    onnx.writeModel(dir, 'made', onnx.externalWeights('model.onnx_data', 8));
    mkdirSync(blobs, { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    cpSync(path.join(dir, 'made', '1', 'model.onnx'), path.join(blobs, '1f2e'));
    writeFileSync(path.join(blobs, '9a8b'), WEIGHTS);
    symlinkSync('../../../blobs/1f2e', path.join(snapshot, 'model.onnx'));
    symlinkSync('../../../blobs/9a8b', path.join(snapshot, 'model.onnx_data'));
  });

  it("load from Hugging Face's cache, with the version a link to a snapshot", async () => {
    mkdirSync(path.join(models, 'hf'));
    symlinkSync(snapshot, path.join(models, 'hf', '1'));
    const { signature, content } = await runner.load('hf');
    expect(await answer('hf', [1, 2])).toEqual([11, 22]);
    expect(signature.warnings).toEqual([]);
    expect(content.files.map(({ label }) => label)).toEqual([
      '1/model.onnx',
      '1/model.onnx_data',
      'model.json',
    ]);
  });

  it('load when both files, or only model.onnx, are links into the cache', async () => {
    mkdirSync(path.join(models, 'both', '1'), { recursive: true });
    mkdirSync(path.join(models, 'one', '1'), { recursive: true });
    for (const file of ['model.onnx', 'model.onnx_data'])
      symlinkSync(path.join(snapshot, file), path.join(models, 'both', '1', file));
    symlinkSync(path.join(snapshot, 'model.onnx'), path.join(models, 'one', '1', 'model.onnx'));
    for (const name of ['both', 'one']) {
      await runner.load(name);
      expect(await answer(name, [1, 2])).toEqual([11, 22]);
    }
  });

  it('load from a Kubernetes ConfigMap, through ..data', async () => {
    const at = path.join(models, 'mounted', '1');
    mkdirSync(path.join(at, '..2026_11_28'), { recursive: true });
    cpSync(path.join(blobs, '1f2e'), path.join(at, '..2026_11_28', 'model.onnx'));
    writeFileSync(path.join(at, '..2026_11_28', 'model.onnx_data'), WEIGHTS);
    symlinkSync('..2026_11_28', path.join(at, '..data'));
    for (const file of ['model.onnx', 'model.onnx_data']) symlinkSync(`..data/${file}`, path.join(at, file));
    const { signature } = await runner.load('mounted');
    expect(await answer('mounted', [1, 2])).toEqual([11, 22]);
    const bytes = readFileSync(path.join(blobs, '1f2e')).length + WEIGHTS.length;
    expect(signature.sizeBytes).toBe(bytes);
  });

  it.each([
    ['missing', undefined, /its weights file w\.bin is missing/, /mv .*other\.bin .*w\.bin/],
    [
      'cut',
      WEIGHTS.subarray(0, 5),
      /its weights file w\.bin is cut off: it has 5 B of at least 8 B/,
      /again/,
    ],
    [
      'a pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /w\.bin is a Git LFS pointer/,
      /git lfs pull/,
    ],
  ])('that are %s are refused with the reason', async (what, content, message, hint) => {
    const name = `w-${what.replace(' ', '-')}`;
    const modelDir = onnx.writeModel(
      models,
      name,
      onnx.externalWeights('w.bin', what === 'a pointer' ? 800 : 8),
    );
    writeFileSync(
      path.join(modelDir, '1', content === undefined ? 'other.bin' : 'w.bin'),
      content ?? WEIGHTS,
    );
    const error = await refused(name);
    expect(error.code).toBe('MODEL_LOAD');
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });
});

describe('a file that is not an ONNX model', () => {
  const whole = onnx.buildModel(onnx.doubler());
  it.each([
    [
      'lfs',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n'),
      /it is a Git LFS pointer/,
      /git lfs pull/,
    ],
    [
      'html',
      Buffer.from('\n<!DOCTYPE html><html><title>404</title></html>'),
      /it is an HTML page/,
      /resolve/,
    ],
    ['empty', Buffer.alloc(0), /it is empty/, /again/],
    [
      'cut',
      whole.subarray(0, whole.length - 20),
      /it is cut off: it has \d+ B, and goes on at least to \d+ B/,
      /again/,
    ],
    ['pickle', Buffer.from([0x80, 4, 0x95, 0x63]), /it is a Python pickle/, /torch\.onnx\.export/],
    ['zip', Buffer.from('PK\u0003\u0004rest'), /it is a PyTorch or other zip archive/, /torch\.onnx\.export/],
    ['json', Buffer.from('{"error": "not found"}'), /it is JSON text/, /see what it says/],
    ['noise', Buffer.from('this is no protobuf'), /it is not an ONNX model/, /again/],
    [
      'ir99',
      onnx.buildModel(onnx.doubler(), { ir: 99 }),
      /it is of ONNX IR version 99, and ONNX Runtime [\d.]+ reads up to \d+/,
      /model\.ir_version = \d+/,
    ],
    [
      'opset99',
      onnx.buildModel(onnx.doubler(), { opset: 99 }),
      /it uses opset 99 of ai\.onnx, and ONNX Runtime [\d.]+ knows up to \d+/,
      /opset_version=\d+ or lower/,
    ],
    [
      'custom',
      onnx.buildModel({ ...onnx.fixedBatch(), nodes: [{ op: 'Fancy', inputs: ['x'], outputs: ['y'] }] }),
      /it uses the operator Fancy, which ONNX Runtime [\d.]+ does not have/,
      /standard operators/,
    ],
  ])('is recognised for what it is: %s', async (name, content, message, hint) => {
    onnx.writeModel(models, name, content as Buffer);
    const error = await refused(name);
    expect(error.code).toBe('MODEL_LOAD');
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });
});

describe('non-tensor outputs', () => {
  it('of a ZipMap are bypassed: the probabilities are served with named columns', async () => {
    onnx.writeModel(models, 'zipped', onnx.zipMapped(true));
    const { signature } = await runner.load('zipped');
    expect(signature).toMatchObject({
      batchable: true,
      outputs: [{ name: 'probabilities', type: 'float32', shape: [3] }, { name: 'mean' }],
      warnings: [
        'output probabilities is served without its ZipMap: float32, one column for each of the classes 3, 5, 8',
      ],
    });
    const [a, b, c] = await answer('zipped', [0, 0, 100], 'probabilities');
    expect([a, b, c].map((one) => Math.round(Number(one)))).toEqual([0, 0, 1]);
  });

  it('of a ZipMap alone are served the same way, also as classifier', async () => {
    onnx.writeModel(models, 'classes', onnx.zipMapped(), {
      task: 'classification',
      scores: 'probabilities',
      labels: ['three', 'five', 'eight'],
    });
    await runner.load('classes');
    expect(await answer('classes', [0, 100, 0], 'class')).toEqual([1]);
  });

  it.each([
    ['zipped', onnx.zipMapped()],
    ['batched', onnx.scores(3, 'probabilities')],
    [
      'single',
      { ...onnx.scores(3, 'probabilities'), inputs: [{ name: 'x', type: 'float32', dims: [1, 3] }] },
    ],
  ] as [string, onnx.Graph][])(
    'with probabilities get no second softmax where model.json does not name the scores (%s)',
    async (kind, graph) => {
      onnx.writeModel(models, `p-${kind}`, graph, { task: 'classification' });
      await runner.load(`p-${kind}`);
      const row = kind === 'single' ? [1, 3] : [3];
      const input = payload(1, rowTensor('x', 'float32', row, [0, 100, 0]));
      const { outputs } = await runner.run({ model: `p-${kind}`, parts: [input] });
      expect(rowValues(outputs, 'json')).toEqual([{ class: 1, confidence: 1 }]);
    },
  );

  it('and no tensor output make the load fail with the reason', async () => {
    onnx.writeModel(models, 'sequence', onnx.sequenceOnly());
    expect(await refused('sequence')).toMatchObject({
      code: 'MODEL_LOAD',
      message:
        'model sequence/1/model.onnx cannot be loaded: it has no output that is a tensor: parts is a sequence',
      hint: expect.stringContaining('ConcatFromSequence'),
    });
  });

  it('of other kinds are left out with a warning', async () => {
    onnx.writeModel(models, 'partly', onnx.sequenceOnly(true));
    const { signature } = await runner.load('partly');
    expect(signature.warnings).toContain('output parts is left out: it is a sequence, not a tensor');
  });
});

describe('a name in model.json that the model does not have', () => {
  it.each([
    [
      { inputs: { X: { batchAxis: 0 } } },
      "field inputs.X: the model has no input 'X'",
      "did you mean 'x'? its inputs are x",
    ],
    [
      { outputs: { yy: { batchAxis: 0 } } },
      "field outputs.yy: the model has no output 'yy'",
      "did you mean 'y'? its outputs are y",
    ],
    [{ output: 'probs' }, "field output: the model has no output 'probs'", 'its outputs are y'],
  ])('is refused with a suggestion: %j', async (manifest, message, hint) => {
    onnx.writeModel(models, 'named', onnx.doubler(), manifest);
    expect(await refused('named')).toMatchObject({
      code: 'MODEL_MANIFEST',
      message: `named/model.json: ${message}`,
      hint,
    });
  });

  it('is an error, unlike a field without effect, which is a warning', async () => {
    onnx.writeModel(models, 'idle', onnx.doubler(), { scores: 'logits' });
    const { signature } = await runner.load('idle');
    expect(signature.warnings).toContain('model.json: scores has no effect without "task": "classification"');
  });
});

describe('modules of a handler', () => {
  const withHandler = (name: string, code: string, files: Record<string, string> = {}) =>
    onnx.writeModel(
      models,
      name,
      onnx.doubler(),
      { handler: './handler.mjs' },
      { files: { 'handler.mjs': code, ...files } },
    );

  it('are loaded afresh with it, ESM and CommonJS', async () => {
    const source = `import { word } from './word.mjs'; import other from './other.cjs';
      export const postprocess = () => word + other.word;`;
    const files = (word: string) => ({
      'word.mjs': `export const word = '${word}';`,
      'other.cjs': `module.exports = { word: '${word}' };`,
    });
    const say = async () => {
      await runner.load('fresh');
      const x = payload(1, rowTensor('x', 'float32', [4], [1, 2, 3, 4]));
      return output((await runner.run({ model: 'fresh', parts: [x] })).outputs, 'json');
    };
    withHandler('fresh', source, files('a'));
    expect(await say()).toEqual(['"aa"']);
    withHandler('fresh', source, files('b'));
    expect(await say()).toEqual(['"bb"']);
  });

  it.each([
    ['import', "import 'no-such-package/sub'; export const preprocess = 1;", 'no-such-package'],
    ['import of a scope', "import '@nobody/no-such'; export const preprocess = 1;", '@nobody/no-such'],
    [
      'require',
      "import { createRequire } from 'node:module'; createRequire(import.meta.url)('no-such-package');",
      'no-such-package',
    ],
  ])('that are not installed are named with the install command: %s', async (what, code, name) => {
    const modelDir = withHandler(`needs-${what.replaceAll(' ', '-')}`, code);
    expect(await refused(path.basename(modelDir))).toMatchObject({
      code: 'HANDLER_LOAD',
      message: expect.stringMatching(new RegExp(`it needs the npm package ${name}, which is not installed$`)),
      hint: `npm install --prefix ${modelDir} ${name}`,
    });
  });

  it('that are missing or do not parse are reported', async () => {
    withHandler('lost', "import './helper.mjs';");
    expect(await refused('lost')).toMatchObject({
      message: 'handler lost/./handler.mjs cannot be loaded: it imports ./helper.mjs, which is not there',
    });
    withHandler('slip', 'export const a = 1;\nexport function preprocess(row {}');
    expect((await refused('slip')).hint).toBe(
      `node --check ${path.join(models, 'slip', 'handler.mjs')} shows the line`,
    );
  });
});
