import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { listModels, listModelsAsync } from '../../../src/lib/model/survey.js';

it('a models directory is listed in the same way without blocking', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-list-'));
  try {
    const model = (...where: string[]) => {
      const place = path.join(dir, ...where);
      mkdirSync(place, { recursive: true });
      writeFileSync(path.join(place, 'model.onnx'), '');
    };
    for (const version of ['1', '2', '10', '01', 'latest']) model('digits', version);
    model('ocr', '3');
    model('.hidden', '1');
    model('bad name', '1');
    mkdirSync(path.join(dir, 'empty', '1'), { recursive: true });
    writeFileSync(path.join(dir, 'flat.onnx'), '');
    symlinkSync(path.join(dir, 'ocr'), path.join(dir, 'linked'));
    mkdirSync(path.join(dir, 'broken', '1'), { recursive: true });
    symlinkSync('/nowhere', path.join(dir, 'broken', '1', 'model.onnx'));
    const found = await listModelsAsync(dir);
    expect(found).toEqual(listModels(dir));
    expect(found.map(({ name }) => name)).toEqual(['broken', 'digits', 'linked', 'ocr']);
    expect(found[1]).toEqual({ name: 'digits', version: 10, versions: [1, 2, 10] });
    await expect(listModelsAsync(path.join(dir, 'none'))).rejects.toThrow('ENOENT');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
