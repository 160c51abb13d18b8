import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultModelsDir, findModel, listModels } from '../../../src/lib/model/repository.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'infer-repo-'));
  dir = path.join(root, 'models');
  mkdirSync(dir);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('versions', () => {
  it('serves the highest, by number and not by text', () => {
    for (const version of [2, 10, 9]) writeModel(dir, 'm', doubler(), undefined, { version });
    expect(listModels(dir)).toEqual([{ name: 'm', version: 10, versions: [2, 9, 10] }]);
    expect(findModel(dir, 'm').label).toBe('m/10/model.onnx');
    expect(findModel(dir, 'm', 2).version).toBe(2);
    expect(() => findModel(dir, 'm', 3)).toThrow("model 'm' has no version 3");
  });

  it('skips folders that are no version: leading zero, words, no model yet', () => {
    writeModel(dir, 'm', doubler());
    mkdirSync(path.join(dir, 'm', '7'));
    mkdirSync(path.join(dir, 'm', '08'));
    mkdirSync(path.join(dir, 'm', 'latest'));
    expect(findModel(dir, 'm').version).toBe(1);
  });

  it('counts external data in the size', () => {
    const modelDir = writeModel(dir, 'm', doubler());
    const alone = findModel(dir, 'm').sizeBytes;
    writeFileSync(path.join(modelDir, '1', 'weights.bin'), Buffer.alloc(100));
    expect(findModel(dir, 'm').sizeBytes).toBe(alone + 100);
  });
});

describe('an unknown model', () => {
  it('suggests the near name and lists all, exit 66', () => {
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

  it.each(['../secret', 'a/b', '.', '..', '', '/etc', 'x\u001b[31m'])('refuses the name %j', (name) => {
    expect(() => findModel(dir, name)).toThrow(expect.objectContaining({ code: 'MODEL_UNKNOWN' }));
  });

  it('says where a file left flat belongs', () => {
    writeFileSync(path.join(dir, 'cat.onnx'), '');
    expect(() => findModel(dir, 'cat')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('cat/1/model.onnx') }),
    );
  });

  it('names a directory that is not there', () => {
    expect(() => listModels(path.join(dir, 'none'))).toThrow(
      expect.objectContaining({ code: 'MODELS_DIR', exitCode: 66 }),
    );
  });
});

describe('links', () => {
  const outside = () => expect.objectContaining({ code: 'MODEL_PATH', exitCode: 78 });

  it.each(['1/model.onnx', '1/weights.bin', 'model.json', 'handler.mjs'])(
    'refuses %s that leads out',
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

  it('refuses a model or a version that is a link out', () => {
    writeModel(root, 'real', doubler());
    symlinkSync(path.join(root, 'real'), path.join(dir, 'linked'));
    expect(() => findModel(dir, 'linked')).toThrow(outside());
    mkdirSync(path.join(dir, 'm'));
    symlinkSync(path.join(root, 'real', '1'), path.join(dir, 'm', '1'));
    expect(() => findModel(dir, 'm')).toThrow(outside());
  });

  it('refuses a handler path with ..', () => {
    writeModel(dir, 'm', doubler(), { handler: './../evil.mjs' });
    writeFileSync(path.join(dir, 'evil.mjs'), 'export {}');
    expect(() => findModel(dir, 'm')).toThrow(outside());
  });

  it('follows a link within the model, and a linked models directory', () => {
    const modelDir = writeModel(dir, 'm', doubler());
    symlinkSync('1', path.join(modelDir, '2'));
    expect(findModel(dir, 'm').version).toBe(2);
    renameSync(dir, path.join(root, 'moved'));
    symlinkSync(path.join(root, 'moved'), dir);
    expect(findModel(dir, 'm').version).toBe(2);
  });
});

it('prefers ./models to the models of the package', () => {
  expect(defaultModelsDir(root, '/pkg')).toBe(dir);
  expect(defaultModelsDir(dir, '/pkg')).toBe(path.join('/pkg', 'models'));
});
