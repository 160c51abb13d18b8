import { existsSync } from 'node:fs';
import path from 'node:path';
import { currentDir } from '../../core/current-dir.js';
import { modelNames, onlyModelAt } from '../../model/survey.js';

/**
 * Where a command that takes the name of a model, or its path, finds it: a model of the directory counts before a path.
 * @param asked the command's argument; without it, all of the directory.
 * @throws InferError MODELS_DIR as `surveyModels`, if the word cannot be a path.
 */
export function placeAsked(modelsDir: string, asked: string | undefined): { dir: string; name?: string } {
  if (asked === undefined) return { dir: modelsDir };
  const at = path.resolve(currentDir(), asked);
  const isPath = /[/\\]|^\.\.?$|\.onnx$/i.test(asked);
  if (!isPath && (!existsSync(at) || modelNames(modelsDir).includes(asked)))
    return { dir: modelsDir, name: asked };
  const name = onlyModelAt(at);
  return name === undefined ? { dir: at } : { dir: at, name };
}
