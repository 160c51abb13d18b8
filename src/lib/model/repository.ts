import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { isName } from '../core/names.js';
import { quoteWord } from '../core/quote-word.js';
import type { ModelFiles } from './model-files.js';
import { readModel } from './read-model.js';
import { listingOf, type Survey, surveyModels } from './survey.js';

/**
 * One model and all its files, with its manifest. Links of the model's directory, its versions, model.onnx
 * and weights are followed wherever they lead; model.json and the handler must be in the model's directory.
 * @param dir a models directory, the directory of one model, or a model file.
 * @throws InferError MODEL_UNKNOWN (exit 66), MODEL_UNREADABLE (77), MODEL_PATH or MODEL_MANIFEST (78).
 */
export function findModel(dir: string, name: string, version?: number): ModelFiles {
  const survey = surveyModels(dir);
  const denied = survey.denied.find((one) => one.name === name);
  if (denied !== undefined) throw denied.error;
  const listing = isName('model', name) ? survey.models.find((one) => one.name === name) : undefined;
  if (listing === undefined) throw unknownModel(dir, name, survey);
  if (version !== undefined && !listing.versions.includes(version)) {
    throw new InferError('MODEL_UNKNOWN', `model '${name}' has no version ${version}`, {
      hint: `versions there: ${listing.versions.join(', ')}`,
    });
  }
  const { place } = survey;
  const at = place.kind === 'one' ? place.dir : path.join(realpathSync(dir), name);
  return readModel(at, listing, version ?? listing.version, place.kind === 'one' ? place : undefined);
}

/**
 * The model at a path that is one model's, read under another name.
 * @throws InferError MODEL_UNKNOWN (66) if it does not exist, or is a directory of several models or of none; as
 *   `findModel`.
 */
export function findOnly(at: string, name: string): ModelFiles {
  if (!existsSync(at)) {
    throw new InferError('MODEL_UNKNOWN', `there is no file or directory at ${printable(at)}`, {
      hint: 'name a .onnx file, or a directory that contains one',
    });
  }
  const survey = surveyModels(at);
  const { place } = survey;
  if (place.kind === 'one') {
    const listing = listingOf(place);
    if (listing !== undefined) return readModel(place.dir, { ...listing, name }, listing.version, place);
  }
  const [first] = survey.models;
  const [skipped] = survey.skipped;
  throw new InferError(
    'MODEL_UNKNOWN',
    first === undefined
      ? `there is no model at ${printable(at)}${skipped === undefined ? '' : `: ${skipped.reason}`}`
      : `${printable(at)} is a directory of models`,
    {
      hint:
        first === undefined
          ? (skipped?.fix ?? 'name a .onnx file, or a directory that contains one')
          : `name one of them: infer models add ${quoteWord(path.join(at, first.name))}`,
    },
  );
}

function unknownModel(dir: string, name: string, survey: Survey): InferError {
  const shown = printable(name);
  const skipped = survey.skipped.find(
    ({ place }) => place === name || place.startsWith(`${name}/`) || place === `${name}.onnx`,
  );
  const message = `no model '${shown}' in ${printable(dir)}`;
  return new InferError('MODEL_UNKNOWN', skipped === undefined ? message : `${message}: ${skipped.reason}`, {
    hint: skipped?.fix ?? unknownHint(name, survey),
  });
}

function unknownHint(name: string, { models, denied }: Survey): string {
  const names = [...models, ...denied].map((one) => one.name);
  if (names.length === 0) return 'the directory holds no <name>/<version>/model.onnx yet';
  const near = closestWord(name, names);
  return `${near === undefined ? '' : `did you mean '${near}'? `}models there: ${names.join(', ')}`;
}
