import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findModel } from '../../../src/lib/model/repository.js';
import { listModels, surveyModels } from '../../../src/lib/model/survey.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { withoutRoot } from '../../support/ordinary-user.js';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'infer-repo-'));
  dir = path.join(root, 'models');
  mkdirSync(dir);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('model versions', () => {
  it('are compared as numbers, and the highest is served', () => {
    for (const version of [2, 10, 9]) writeModel(dir, 'm', doubler(), undefined, { version });
    expect(listModels(dir)).toEqual([{ name: 'm', version: 10, versions: [2, 9, 10] }]);
    expect(findModel(dir, 'm').label).toBe('m/10/model.onnx');
    expect(findModel(dir, 'm', 2).version).toBe(2);
    expect(() => findModel(dir, 'm', 3)).toThrow("model 'm' has no version 3");
  });

  it('do not include folders with leading zeros, words or no model', () => {
    writeModel(dir, 'm', doubler());
    mkdirSync(path.join(dir, 'm', '7'));
    mkdirSync(path.join(dir, 'm', '08'));
    mkdirSync(path.join(dir, 'm', 'latest'));
    expect(findModel(dir, 'm').version).toBe(1);
  });

  it('include external data in their size', () => {
    const modelDir = writeModel(dir, 'm', doubler());
    const alone = findModel(dir, 'm').sizeBytes;
    writeFileSync(path.join(modelDir, '1', 'weights.bin'), Buffer.alloc(100));
    expect(findModel(dir, 'm').sizeBytes).toBe(alone + 100);
  });
});

describe('an unknown model', () => {
  it('is rejected with a similar name and a list of all, exit 66', () => {
    writeModel(dir, 'digits', doubler());
    writeModel(dir, 'faces', doubler());
    expect(() => findModel(dir, 'digit')).toThrow(
      expect.objectContaining({
        code: 'MODEL_UNKNOWN',
        exitCode: 66,
        hint: "did you mean 'digits'? models there: digits, faces",
      }),
    );
  });

  it.each(['../secret', 'a/b', '.', '..', '', '/etc', 'x\u001b[31m'])(
    'includes the unsafe name %j',
    (name) => {
      expect(() => findModel(dir, name)).toThrow(expect.objectContaining({ code: 'MODEL_UNKNOWN' }));
    },
  );

  it('gets a hint where a flat file belongs', () => {
    writeFileSync(path.join(dir, 'cat.onnx'), '');
    expect(() => findModel(dir, 'cat')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('cat/1/model.onnx') }),
    );
  });

  it('is not reported for a missing models directory, which is named instead', () => {
    expect(() => listModels(path.join(dir, 'none'))).toThrow(
      expect.objectContaining({ code: 'MODELS_DIR', exitCode: 66 }),
    );
  });
});

describe('symbolic links', () => {
  const outside = () => expect.objectContaining({ code: 'MODEL_PATH', exitCode: 78 });

  it.each(['model.json', 'handler.mjs'])(
    'to %s outside the model are refused: code and settings stay with the model',
    (file) => {
      const modelDir = writeModel(
        dir,
        'm',
        doubler(),
        { handler: './handler.mjs' },
        { files: { 'handler.mjs': 'export {}' } },
      );
      const target = path.join(root, 'elsewhere');
      const own = path.join(modelDir, file);
      rmSync(own, { force: true });
      writeFileSync(target, '{}');
      symlinkSync(target, own);
      expect(() => findModel(dir, 'm')).toThrow(outside());
    },
  );

  it('to a model, a version or weights outside are followed', () => {
    writeModel(root, 'real', doubler());
    const onnx = path.join(root, 'real', '1', 'model.onnx');
    symlinkSync(path.join(root, 'real'), path.join(dir, 'linked'));
    expect(findModel(dir, 'linked')).toMatchObject({ onnxPath: onnx, label: 'linked/1/model.onnx' });
    mkdirSync(path.join(dir, 'm'));
    symlinkSync(path.join(root, 'real', '1'), path.join(dir, 'm', '1'));
    expect(findModel(dir, 'm').onnxPath).toBe(onnx);
    mkdirSync(path.join(dir, 'n', '1'), { recursive: true });
    symlinkSync(onnx, path.join(dir, 'n', '1', 'model.onnx'));
    expect(findModel(dir, 'n')).toMatchObject({
      onnxPath: onnx,
      dataDirs: [path.join(dir, 'n', '1'), path.dirname(onnx)],
    });
  });

  it('to nothing are reported as broken', () => {
    mkdirSync(path.join(dir, 'm', '1'), { recursive: true });
    symlinkSync(path.join(root, 'gone'), path.join(dir, 'm', '1', 'model.onnx'));
    expect(() => findModel(dir, 'm')).toThrow("model 'm': m/1/model.onnx is a broken link");
  });

  it('do not matter for a handler path with .., which is refused', () => {
    writeModel(dir, 'm', doubler(), { handler: './../evil.mjs' });
    writeFileSync(path.join(dir, 'evil.mjs'), 'export {}');
    expect(() => findModel(dir, 'm')).toThrow(outside());
  });

  it('within the model, and to a models directory, are followed', () => {
    const modelDir = writeModel(dir, 'm', doubler());
    symlinkSync('1', path.join(modelDir, '2'));
    expect(findModel(dir, 'm').version).toBe(2);
    renameSync(dir, path.join(root, 'moved'));
    symlinkSync(path.join(root, 'moved'), dir);
    expect(findModel(dir, 'm').version).toBe(2);
  });
});

describe('a folder that is nearly a model', () => {
  const skipped = () => surveyModels(dir).skipped.map(({ place, fix }) => [place, fix]);
  const put = (place: string) => {
    mkdirSync(path.join(dir, path.dirname(place)), { recursive: true });
    writeFileSync(path.join(dir, place), '');
  };

  it.each([
    ['m/v1/model.onnx', 'm/v1', 'mv DIR/m/v1 DIR/m/1'],
    ['m/01/model.onnx', 'm/01', 'mv DIR/m/01 DIR/m/1'],
    ['m/latest/model.onnx', 'm/latest', 'mv DIR/m/latest DIR/m/1'],
    ['my model/1/model.onnx', 'my model', "mv 'DIR/my model' DIR/my-model"],
    ['-m/1/model.onnx', '-m', 'mv DIR/-m DIR/m'],
    ['m/bert.onnx', 'm/bert.onnx', 'mkdir -p DIR/m/1 && mv DIR/m/bert.onnx DIR/m/1/model.onnx'],
    ['m/1/bert.onnx', 'm/1', 'mv DIR/m/1/bert.onnx DIR/m/1/model.onnx'],
    ['cat.onnx', 'cat.onnx', 'mkdir -p DIR/cat/1 && mv DIR/cat.onnx DIR/cat/1/model.onnx'],
  ])('is reported with its fix: %s', (file, place, fix) => {
    put(file);
    expect(skipped()).toEqual([[place, fix.replaceAll('DIR', dir)]]);
    expect(listModels(dir)).toEqual([]);
  });

  it('is reported next to served versions, but not when it is a link to one', () => {
    const modelDir = writeModel(dir, 'm', doubler());
    put('m/v2/model.onnx');
    symlinkSync('1', path.join(modelDir, 'latest'));
    expect(skipped()).toEqual([['m/v2', `mv ${dir}/m/v2 ${dir}/m/2`]]);
    expect(listModels(dir)).toHaveLength(1);
  });

  it('is not a hidden or unrelated folder', () => {
    put('.git/1/model.onnx');
    put('notes/readme.txt');
    expect(skipped()).toEqual([]);
  });

  it('is not one with a leading underscore, which is a model', () => {
    writeModel(dir, '_under', doubler());
    expect(findModel(dir, '_under').name).toBe('_under');
    expect(surveyModels(dir).skipped).toEqual([]);
  });

  it('is named when it is requested', () => {
    put('m/v1/model.onnx');
    expect(() => findModel(dir, 'm')).toThrow(
      expect.objectContaining({
        code: 'MODEL_UNKNOWN',
        message: expect.stringContaining('m/v1 is not served: a version is a whole number'),
        hint: `mv ${dir}/m/v1 ${dir}/m/1`,
      }),
    );
  });
});

describe('the files of a version', () => {
  it('are model.onnx, model.json, the handler and the files that it names, no others', () => {
    const modelDir = writeModel(
      dir,
      'm',
      doubler(),
      { handler: './handler.mjs' },
      {
        files: {
          'handler.mjs': "import { words } from './words.mjs'; export const postprocess = () => words;",
          'words.mjs': "export const words = new URL('./vocab.txt', import.meta.url);",
          'vocab.txt': 'a',
          'README.md': 'notes',
        },
      },
    );
    mkdirSync(path.join(modelDir, 'node_modules', 'x'), { recursive: true });
    expect(
      findModel(dir, 'm')
        .contents.map(({ label }) => label)
        .sort(),
    ).toEqual(['1/model.onnx', 'handler.mjs', 'model.json', 'vocab.txt', 'words.mjs']);
  });

  it('do not include what model.json declares as written by the handler, nor code there', () => {
    const files = {
      'handler.mjs': "export const postprocess = () => ['./cache.json', './labels.json', 'tmp/part.mjs'];",
      'cache.json': '{}',
      'labels.json': '[]',
    };
    const manifest = { handler: './handler.mjs', handlerWrites: ['cache.json', './tmp/'] };
    const modelDir = writeModel(dir, 'm', doubler(), manifest, { files });
    mkdirSync(path.join(modelDir, 'tmp'));
    writeFileSync(path.join(modelDir, 'tmp', 'part.mjs'), '');
    const labels = findModel(dir, 'm').contents.map(({ label }) => label);
    expect(labels.sort()).toEqual(['1/model.onnx', 'handler.mjs', 'labels.json', 'model.json']);
  });

  it.each(['../cache.json', '/tmp/cache.json', 'a/../../b', ''])(
    'may not be written to %j by a handler',
    (place) => {
      writeModel(
        dir,
        'm',
        doubler(),
        { handler: './handler.mjs', handlerWrites: [place] },
        {
          files: { 'handler.mjs': '' },
        },
      );
      expect(() => findModel(dir, 'm')).toThrow('field handlerWrites.0: must be a path in the model');
    },
  );

  it('are reported with the fixing command when one of the handler is unreadable', async () => {
    const modelDir = writeModel(
      dir,
      'm',
      doubler(),
      { handler: './handler.mjs' },
      {
        files: { 'handler.mjs': "import './secret.mjs';", 'secret.mjs': '' },
      },
    );
    chmodSync(root, 0o755);
    chmodSync(dir, 0o755);
    const secret = path.join(modelDir, 'secret.mjs');
    chmodSync(secret, 0);
    await withoutRoot(async () => {
      expect(() => findModel(dir, 'm')).toThrow(
        expect.objectContaining({
          code: 'MODEL_UNREADABLE',
          exitCode: 77,
          message: expect.stringContaining(`may not read ${secret}`),
          hint: expect.stringContaining(`chmod -R a+rX ${secret}`),
        }),
      );
    });
  });

  it('include an absent model.json: adding one is a change', () => {
    writeModel(dir, 'm', doubler());
    expect(findModel(dir, 'm').contents).toContainEqual({
      label: 'model.json',
      path: path.join(dir, 'm', 'model.json'),
      sha: '',
    });
  });
});
