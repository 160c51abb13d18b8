import type { Dirent } from 'node:fs';
import path from 'node:path';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { isName } from '../core/names.js';
import { isNamedOtherwise, versionsServed } from './file-wishes.js';
import { badNameOf, flatFile, misplacedIn, type Skipped } from './misplaced.js';
import { MODEL_FILE, VERSION_DIR } from './model-names.js';
import { exportedFiles, type ModelsPlace, modelsPlace, namesIn, type OnePlace } from './model-place.js';
import { later, listed, now, type Steps } from './steps.js';
import { isDenied, unreadable } from './unreadable.js';

export type { Skipped } from './misplaced.js';

export interface ModelListing {
  name: string;
  /** The version served: the highest. */
  version: number;
  /** All versions, lowest first. */
  versions: number[];
  /** Set when it has no version directories: its directory is its version 1. */
  flat?: true;
}

/** The contents of a models directory. */
export interface Survey {
  models: ModelListing[];
  /** Models whose directory may not be read. */
  denied: { name: string; error: InferError }[];
  skipped: Skipped[];
  place: ModelsPlace;
}

/**
 * Scans a directory of models: `<dir>/<name>/<version>/model.onnx`, or `<dir>/<name>/` with the files of an
 * export. If the path is that of one model, or of a model file, it is the only one. Manifests are not judged, so one
 * bad model does not hide others.
 * @throws InferError MODELS_DIR (exit 66) when there is nothing at the path, MODELS_DIR_UNREADABLE (77) when
 *   access is denied.
 */
export function surveyModels(dir: string): Survey {
  const survey: Survey = { models: [], denied: [], skipped: [], place: { kind: 'directory' } };
  let entries: Dirent[] = [];
  try {
    survey.place = now(modelsPlace(dir));
    if (survey.place.kind === 'directory') entries = now(listed(dir));
  } catch (error) {
    throw noModels(dir, error);
  }
  if (survey.place.kind === 'one') {
    const found = now(onlyModel(survey.place));
    if (isName('model', survey.place.name)) add(survey, found);
    else survey.skipped.push(badNameOf(survey.place.name, namedPath(survey.place)));
    return survey;
  }
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const found = entry.isFile() ? undefined : now(modelIn(dir, entry.name));
    if (found !== undefined) add(survey, found);
    else if (/.\.onnx$/i.test(entry.name)) survey.skipped.push(flatFile(dir, entry.name));
  }
  return survey;
}

function add(survey: Survey, { listing, denied, skipped }: Found): void {
  if (listing !== undefined) survey.models.push(listing);
  if (denied !== undefined) survey.denied.push(denied);
  survey.skipped.push(...skipped);
}

/** Models of a directory that can be served, by name. @throws InferError MODELS_DIR as `surveyModels`. */
export function listModels(dir: string): ModelListing[] {
  return surveyModels(dir).models;
}

/**
 * The same for a server, which must not wait for a disk.
 * @throws Error of the file system when the directory cannot be read.
 */
export async function listModelsAsync(dir: string): Promise<ModelListing[]> {
  const place = await later(modelsPlace(dir));
  if (place.kind === 'one') {
    const { listing } = await later(onlyModel(place));
    return listing === undefined || !isName('model', place.name) ? [] : [listing];
  }
  const entries = await later(listed(dir));
  const found = await Promise.all(
    entries
      .filter((entry) => !entry.isFile() && !entry.name.startsWith('.') && isName('model', entry.name))
      .map(({ name }) => later(modelIn(dir, name))),
  );
  return found.flatMap((one) => one?.listing ?? []);
}

/** Names of all models of a directory, including unreadable ones. @throws InferError MODELS_DIR. */
export function modelNames(dir: string): string[] {
  const { models, denied } = surveyModels(dir);
  return [...models, ...denied].map(({ name }) => name).sort();
}

/** The only model of a path that is one model's, whatever its name. */
export function listingOf(place: OnePlace): ModelListing | undefined {
  return now(onlyModel(place)).listing;
}

/** The name of the model if a path is that of one model or of its file; undefined for a directory of models. */
export function onlyModelAt(modelsDir: string): string | undefined {
  try {
    const place = now(modelsPlace(modelsDir));
    return place.kind === 'one' ? place.name : undefined;
  } catch {
    return undefined;
  }
}

/** The directory of a model, as named by its links, whether or not it exists. */
export function modelDirOf(modelsDir: string, name: string): string {
  try {
    const place = now(modelsPlace(modelsDir));
    if (place.kind === 'one') return place.dir;
  } catch {
    // It is gone, or may not be read: the place is where it would be.
  }
  return path.join(modelsDir, name);
}

function noModels(dir: string, error: unknown): InferError {
  const shown = printable(dir);
  if (isDenied(error)) {
    const { message, hint } = unreadable('', dir, error);
    return new InferError('MODELS_DIR_UNREADABLE', message.replace(/^model '': /, 'the models directory: '), {
      hint,
      cause: error,
    });
  }
  if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') {
    return new InferError('MODELS_DIR', `${shown} is neither a directory nor an .onnx file`, {
      hint: 'name a models directory, the directory of a model, or a file such as model.onnx',
      cause: error,
    });
  }
  const what = /\.onnx$/i.test(dir) ? 'model file' : 'models directory';
  return new InferError('MODELS_DIR', `no ${what} at ${shown}`, {
    hint: 'name one with --models: a directory laid out as <dir>/<name>/1/model.onnx, or a .onnx file',
    cause: error,
  });
}

/** What is below one entry of a models directory. */
interface Found {
  listing?: ModelListing;
  denied?: { name: string; error: InferError };
  skipped: Skipped[];
}

/** Undefined if it is a file. */
function* modelIn(dir: string, name: string): Steps<Found | undefined> {
  const modelDir = path.join(dir, name);
  let entries: Dirent[];
  try {
    entries = yield* listed(modelDir);
  } catch (error) {
    if (!isDenied(error)) return undefined;
    const denied = { name, error: unreadable(name, modelDir, error) };
    return isName('model', name) ? { denied, skipped: [] } : { skipped: [] };
  }
  const found = yield* readModel(modelDir, name, entries);
  if (isName('model', name)) return found;
  const { listing, skipped } = found;
  const isOne = listing !== undefined || skipped.some(({ place }) => place !== name);
  return { skipped: isOne ? [badNameOf(name, modelDir)] : [] };
}

/** The directory or file that a model has its name from. */
function namedPath({ dir, file, alone }: OnePlace): string {
  return alone && file !== undefined ? path.join(dir, file) : dir;
}

function* onlyModel(place: OnePlace): Steps<Found> {
  const { name, dir, file, version = 1 } = place;
  if (file !== undefined) {
    const flat = place.version === undefined ? { flat: true as const } : {};
    return { listing: { name, version, versions: [version], ...flat }, skipped: [] };
  }
  return yield* readModel(dir, name, yield* listed(dir));
}

function* readModel(modelDir: string, name: string, entries: readonly Dirent[]): Steps<Found> {
  const names = new Set(entries.map((entry) => entry.name));
  const there: number[] = [];
  for (const entry of names) {
    if (!VERSION_DIR.test(entry)) continue;
    const dir = path.join(modelDir, entry);
    const below = yield* namesIn(dir);
    const files = yield* exportedFiles(dir, below);
    if (files.length === 1 || (yield* isNamedOtherwise(modelDir, names, below))) there.push(Number(entry));
  }
  const versions = yield* versionsServed(
    modelDir,
    names,
    there.sort((a, b) => a - b),
  );
  const version = versions.at(-1);
  if (version !== undefined) {
    return {
      listing: { name, version, versions },
      skipped: yield* misplacedIn(modelDir, name, entries, there),
    };
  }
  if (there.length > 0) return { skipped: [notServed(name, there)] };
  const files = yield* exportedFiles(modelDir, names);
  if (files.length === 1 || (files.length > 1 && (yield* isNamedOtherwise(modelDir, names, names))))
    return { listing: { name, version: 1, versions: [1], flat: true }, skipped: [] };
  if (files.length > 1) return { skipped: [severalVariants(name, files)] };
  return { skipped: yield* misplacedIn(modelDir, name, entries, there) };
}

function notServed(name: string, versions: readonly number[]): Skipped {
  return {
    place: name,
    reason: `${printable(name)} is not served: version_policy in its config.pbtxt names none of its versions ${versions.join(', ')}`,
  };
}

function severalVariants(name: string, files: readonly string[]): Skipped {
  return {
    place: name,
    reason: `${printable(name)} is not served: it holds no ${MODEL_FILE}, but ${files.length} variants: ${files.map(printable).join(', ')}`,
    fix: `name one in ${printable(name)}/model.json: {"file": ${JSON.stringify(files[0])}}`,
  };
}
