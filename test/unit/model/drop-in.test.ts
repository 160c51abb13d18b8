import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findModel } from '../../../src/lib/model/repository.js';
import { listModelsAsync, modelDirOf, surveyModels } from '../../../src/lib/model/survey.js';
import { thrown } from '../../support/thrown.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'infer-drop-in-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const put = (place: string, content: string | object = 'x'): string => {
  const file = path.join(dir, place);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};
const CONFIG = {
  architectures: ['ViTForImageClassification'],
  id2label: { 0: 'cat', 1: 'dog' },
};
const labelsOf = (at: string, name: string) => findModel(at, name).contents.map(({ label }) => label);

describe('a model file that is named by its path', () => {
  it('is one model called like the file, alone with its external data', async () => {
    const file = put('cat.onnx');
    put('cat.onnx_data', 'weights');
    put('model.json', { task: 'embedding' });
    put('config.json', CONFIG);
    const found = findModel(file, 'cat');
    expect(found).toMatchObject({ version: 1, label: 'cat.onnx', home: '', manifest: {}, sizeBytes: 8 });
    expect(labelsOf(file, 'cat')).toEqual(['cat.onnx']);
    expect(await listModelsAsync(file)).toEqual(surveyModels(file).models);
    expect(modelDirOf(file, 'cat')).toBe(dir);
  });

  it('is called like its directory if it is a model.onnx, whose settings then count', () => {
    const file = put('resnet/model.onnx');
    put('resnet/model.json', { maxBatch: 4 });
    expect(findModel(file, 'resnet')).toMatchObject({
      label: 'resnet/model.onnx',
      manifest: { maxBatch: 4 },
    });
    expect(labelsOf(file, 'resnet')).toEqual(['model.onnx', 'model.json']);
  });

  it('may be a version of a model, or a variant of an export', () => {
    const second = put('m/2/model.onnx');
    put('m/3/model.onnx');
    expect(findModel(second, 'm')).toMatchObject({ version: 2, label: 'm/2/model.onnx' });
    put('bert/config.json', CONFIG);
    put('bert/onnx/model.onnx');
    const variant = put('bert/onnx/model_q4.onnx');
    expect(findModel(variant, 'bert')).toMatchObject({
      label: 'bert/onnx/model_q4.onnx',
      home: 'onnx',
      manifest: { labels: ['cat', 'dog'] },
    });
  });

  it('in the cache of Hugging Face is called like its repository', () => {
    const blob = put('blobs/1234');
    const snapshot = path.join(dir, 'models--org--tiny-bert', 'snapshots', 'abcdef0');
    mkdirSync(path.join(snapshot, 'onnx'), { recursive: true });
    symlinkSync(blob, path.join(snapshot, 'onnx', 'model.onnx'));
    put('blobs/5678', CONFIG);
    symlinkSync(path.join(dir, 'blobs/5678'), path.join(snapshot, 'config.json'));
    for (const at of [snapshot, path.join(snapshot, 'onnx', 'model.onnx')])
      expect(findModel(at, 'tiny-bert')).toMatchObject({
        onnxPath: blob,
        manifest: { task: 'classification' },
      });
  });

  it('with a name that no model may have is refused with the command that renames it', () => {
    const file = put('my cat.onnx');
    expect(surveyModels(file)).toMatchObject({
      models: [],
      skipped: [{ fix: `mv '${file}' ${path.join(dir, 'my-cat.onnx')}` }],
    });
    const found = thrown(() => findModel(file, 'my cat'));
    expect(found).toMatchObject({ code: 'MODEL_UNKNOWN', hint: expect.stringContaining('my-cat.onnx') });
  });

  it('that does not exist, or is no model, is an error that says so', () => {
    expect(thrown(() => surveyModels(path.join(dir, 'no.onnx')))).toMatchObject({
      code: 'MODELS_DIR',
      message: expect.stringContaining('no model file at'),
    });
    expect(thrown(() => surveyModels(put('notes.txt'))).message).toContain(
      'is neither a directory nor an .onnx file',
    );
  });
});

describe('a Hugging Face export', () => {
  const fill = (at: string) => {
    put(`${at}/config.json`, CONFIG);
    put(`${at}/tokenizer.json`, {});
    put(`${at}/preprocessor_config.json`, { size: 224 });
    put(`${at}/README.md`);
  };

  it.each([
    ['in a models directory', '.', 'vit'],
    ['named directly', 'vit', 'vit'],
  ])('is served as it is %s, with labels and task', async (_, at, name) => {
    fill('vit');
    put('vit/onnx/model.onnx');
    put('vit/onnx/model.onnx_data', '12345');
    put('vit/onnx/model_quantized.onnx');
    const models = path.join(dir, at);
    const found = findModel(models, name);
    expect(found).toMatchObject({
      version: 1,
      label: 'vit/onnx/model.onnx',
      home: 'onnx',
      sizeBytes: 6,
      manifest: { task: 'image-classification', labels: ['cat', 'dog'] },
      origins: [
        { field: 'labels', from: 'config.json id2label', assumed: false },
        { field: 'task', from: 'config.json architectures[0]', assumed: true },
        { field: 'preprocess', from: 'preprocessor_config.json size', assumed: false },
      ],
      exported: { files: { 'tokenizer.json': path.join(dir, 'vit/tokenizer.json') } },
    });
    expect(found.notes).toEqual([
      'onnx/model.onnx is served; other variants there: model_quantized.onnx ("file" in model.json chooses one)',
    ]);
    expect(labelsOf(models, name)).toEqual([
      'onnx/model.onnx',
      'model.json',
      'config.json',
      'preprocessor_config.json',
      'tokenizer.json',
    ]);
    expect(await listModelsAsync(models)).toEqual([{ name, version: 1, versions: [1], flat: true }]);
  });

  it('may be a version of a model, with its own labels', () => {
    fill('vit/1');
    put('vit/1/model.onnx');
    put('vit/2/config.json', { ...CONFIG, id2label: { 0: 'ape', 1: 'bee' } });
    put('vit/2/onnx/model.onnx');
    expect(findModel(dir, 'vit', 1).manifest.labels).toEqual(['cat', 'dog']);
    expect(findModel(dir, 'vit')).toMatchObject({
      version: 2,
      label: 'vit/2/onnx/model.onnx',
      manifest: { labels: ['ape', 'bee'] },
    });
    expect(labelsOf(dir, 'vit')).toContain('2/config.json');
  });

  it('has its settings overridden by model.json, field by field', () => {
    fill('vit');
    put('vit/model.onnx');
    put('vit/model.json', { labels: ['a', 'b'] });
    expect(findModel(dir, 'vit')).toMatchObject({
      manifest: { task: 'image-classification', labels: ['a', 'b'] },
      origins: [
        { field: 'task', from: 'config.json architectures[0]' },
        { field: 'preprocess', from: 'preprocessor_config.json size' },
        { field: 'labels', from: 'model.json' },
      ],
    });
  });

  it('takes tensors where its image processor does something else, and says so', () => {
    fill('vit');
    put('vit/model.onnx');
    put('vit/preprocessor_config.json', { size: 224, do_pad: true });
    const { manifest, notes } = findModel(dir, 'vit');
    expect(manifest).toEqual({ task: 'classification', labels: ['cat', 'dog'] });
    expect(notes).toEqual([
      expect.stringContaining('preprocessor_config.json is not used: it asks for do_pad'),
    ]);
  });

  it('with one variant is served by it; of several, model.json names one', () => {
    fill('vit');
    put('vit/onnx/model_fp16.onnx');
    expect(findModel(dir, 'vit').label).toBe('vit/onnx/model_fp16.onnx');
    put('vit/onnx/model_q4.onnx');
    expect(thrown(() => findModel(dir, 'vit'))).toMatchObject({
      message: expect.stringContaining('2 variants: onnx/model_fp16.onnx, onnx/model_q4.onnx'),
      hint: expect.stringContaining('{"file": "onnx/model_fp16.onnx"}'),
    });
    put('vit/model.json', { file: 'onnx/model_q4.onnx' });
    expect(findModel(dir, 'vit').label).toBe('vit/onnx/model_q4.onnx');
    put('vit/model.json', { file: 'onnx/model_q8.onnx' });
    expect(thrown(() => findModel(dir, 'vit'))).toMatchObject({
      message: 'vit/model.json: field file: there is no vit/onnx/model_q8.onnx',
    });
  });

  it('of a model in several graphs is not served, and the reason is given', () => {
    put('t5/config.json', {});
    put('t5/encoder_model.onnx');
    put('t5/decoder_model.onnx');
    expect(surveyModels(dir)).toMatchObject({
      models: [],
      skipped: [{ place: 't5/decoder_model.onnx', reason: expect.stringContaining('several steps') }, {}],
    });
  });

  it.each([
    ['{', 'it is not JSON'],
    ['[]', 'it is not a JSON object'],
  ])('with the config.json %j is refused with file and fix', (text, message) => {
    put('vit/model.onnx');
    put('vit/config.json', text);
    expect(thrown(() => findModel(dir, 'vit'))).toMatchObject({
      code: 'MODEL_MANIFEST',
      message: expect.stringContaining(`vit/config.json: ${message}`),
    });
  });

  it.each([
    [{ architectures: ['BertModel'] }, {}, /names no task/],
    [
      { ...CONFIG, problem_type: 'multi_label_classification' },
      { labels: ['cat', 'dog'] },
      /several classes/,
    ],
    [{ ...CONFIG, problem_type: 'regression' }, { labels: ['cat', 'dog'] }, /a number and no class/],
    [{ ...CONFIG, id2label: { 0: 'score' } }, { labels: ['score'] }, /a number and no class/],
    [{ ...CONFIG, id2label: { 0: 'a', 2: 'c' } }, { task: 'classification' }, /does not map 0, 1, 2/],
    [{ id2label: { 0: 1 } }, {}, /does not map 0, 1, 2/],
  ])('with the config.json %j gives %j, and a note', (config, manifest, note) => {
    put('vit/model.onnx');
    put('vit/config.json', config);
    const found = findModel(dir, 'vit');
    expect(found.manifest).toEqual(manifest);
    expect(found.notes.join()).toMatch(note);
  });
});

describe('a model of Triton', () => {
  it('has the file, the labels and the versions that its config.pbtxt names', async () => {
    const text = `version_policy { specific { versions: [ 1, 2 ] } }
      default_model_filename: "net.onnx"
      output { name: "y" data_type: TYPE_FP32 dims: 2 label_filename: "labels.txt" }`;
    put('m/config.pbtxt', text);
    put('m/labels.txt', 'cat\ndog\n\n');
    for (const version of [1, 2, 3]) put(`m/${version}/net.onnx`);
    const found = findModel(dir, 'm');
    expect(found).toMatchObject({
      version: 2,
      label: 'm/2/net.onnx',
      manifest: { labels: ['cat', 'dog'] },
    });
    expect(found.contents.map(({ label }) => label)).toEqual([
      '2/net.onnx',
      'model.json',
      'config.pbtxt',
      'labels.txt',
    ]);
    expect(await listModelsAsync(dir)).toEqual([{ name: 'm', version: 2, versions: [1, 2] }]);
    expect(findModel(path.join(dir, 'm'), 'm').version).toBe(2);
  });

  it.each([
    [
      'default_model_filename: "net.onnx"',
      'm/config.pbtxt: field default_model_filename: there is no m/1/net.onnx',
    ],
    [
      '\noutput { name: "y" data_type: TYPE_FP32 dims: 2 label_filename: "no.txt" }',
      'line 2: field label_filename: there is no m/no.txt',
    ],
    ['backend: "pytorch"', 'm/config.pbtxt: line 1: field backend is "pytorch"'],
  ])('is refused with file and line: %j', (text, message) => {
    put('m/1/model.onnx');
    put('m/config.pbtxt', text);
    expect(thrown(() => findModel(dir, 'm'))).toMatchObject({
      code: 'MODEL_MANIFEST',
      message: expect.stringContaining(message),
    });
  });

  it('may not have its labels outside of its directory', () => {
    put('secret.txt');
    put('m/1/model.onnx');
    put(
      'm/config.pbtxt',
      'output { name: "y" data_type: TYPE_FP32 dims: 2 label_filename: "../secret.txt" }',
    );
    expect(thrown(() => findModel(dir, 'm')).code).toBe('MODEL_PATH');
  });
});
