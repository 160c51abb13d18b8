import { type Dirent, lstatSync, readdirSync, statSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { isName } from '../core/names.js';
import { quoteWord } from '../core/quote-word.js';
import { isDenied, unreadable } from './unreadable.js';

export interface ModelListing {
  name: string;
  /** The version served: the highest. */
  version: number;
  /** All versions, lowest first. */
  versions: number[];
}

/** Something in a models directory that looks like a model but is not served. */
export interface Skipped {
  /** Its path below the models directory. */
  place: string;
  /** `my model is not served: ...`; printable. */
  reason: string;
  /** The command that turns it into one. */
  fix?: string | undefined;
}

/** The contents of a models directory. */
export interface Survey {
  models: ModelListing[];
  /** Models whose directory may not be read. */
  denied: { name: string; error: InferError }[];
  skipped: Skipped[];
}

const VERSION_DIR = /^[1-9]\d{0,8}$/;
export const MODEL_FILE = 'model.onnx';

/**
 * Scans a directory laid out as `<dir>/<name>/<version>/model.onnx`; manifests are not read, so one bad model
 * does not hide others.
 * @throws InferError MODELS_DIR (exit 66) when the directory does not exist, MODELS_DIR_UNREADABLE (77) when
 *   access is denied.
 */
export function surveyModels(dir: string): Survey {
  const survey: Survey = { models: [], denied: [], skipped: [] };
  for (const entry of entriesOf(dir)) {
    if (entry.name.startsWith('.')) continue;
    if (isDirectory(path.join(dir, entry.name))) surveyModel(dir, entry.name, survey);
    else if (/.\.onnx$/i.test(entry.name)) survey.skipped.push(flatFile(dir, entry.name));
  }
  return survey;
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
  const names = (await readdir(dir)).filter((name) => isName('model', name) && !name.startsWith('.')).sort();
  const listings = await Promise.all(
    names.map(async (name): Promise<ModelListing | undefined> => {
      const entries = await readdir(path.join(dir, name)).catch(() => []);
      const found = entries.filter((entry) => VERSION_DIR.test(entry));
      const there = await Promise.all(found.map((entry) => isModelAt(path.join(dir, name, entry))));
      const versions = found.filter((_, at) => there[at]).map(Number);
      versions.sort((a, b) => a - b);
      const version = versions.at(-1);
      return version === undefined ? undefined : { name, version, versions };
    }),
  );
  return listings.filter((one) => one !== undefined);
}

/** As `hasModel`. */
function isModelAt(versionDir: string): Promise<boolean> {
  return lstat(path.join(versionDir, MODEL_FILE)).then(() => true, isDenied);
}

/** Names of all models of a directory, including unreadable ones. @throws InferError MODELS_DIR. */
export function modelNames(dir: string): string[] {
  const { models, denied } = surveyModels(dir);
  return [...models, ...denied].map(({ name }) => name).sort();
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isDenied(error)) {
      const { message, hint } = unreadable('', dir, error);
      throw new InferError(
        'MODELS_DIR_UNREADABLE',
        message.replace(/^model '': /, 'the models directory: '),
        {
          hint,
          cause: error,
        },
      );
    }
    throw new InferError('MODELS_DIR', `no models directory at ${printable(dir)}`, {
      hint: 'name one with --models, laid out as <dir>/<name>/1/model.onnx',
      cause: error,
    });
  }
}

function surveyModel(dir: string, name: string, survey: Survey): void {
  const modelDir = path.join(dir, name);
  let entries: Dirent[];
  try {
    entries = readdirSync(modelDir, { withFileTypes: true });
  } catch (error) {
    if (isName('model', name)) survey.denied.push({ name, error: unreadable(name, modelDir, error) });
    return;
  }
  const versions = entries.filter((entry) => VERSION_DIR.test(entry.name) && hasModel(modelDir, entry.name));
  const numbers = versions.map((entry) => Number(entry.name)).sort((a, b) => a - b);
  const version = numbers.at(-1);
  if (!isName('model', name)) {
    const others = entries.some((entry) => hasModel(modelDir, entry.name));
    if (others || hasModel(dir, name)) survey.skipped.push(badName(dir, name));
    return;
  }
  if (version !== undefined) survey.models.push({ name, version, versions: numbers });
  survey.skipped.push(...misplaced(dir, name, entries, numbers));
}

/** Things that look like a model file or a version of one model but are not. */
function misplaced(dir: string, name: string, entries: readonly Dirent[], versions: number[]): Skipped[] {
  const modelDir = path.join(dir, name);
  const found: Skipped[] = [];
  const next = (versions.at(-1) ?? 0) + 1;
  const add = (place: string, why: string, fix: string) =>
    found.push({ place, reason: `${printable(place)} is not served: ${why}`, fix });
  for (const { name: entry } of entries) {
    const place = `${name}/${entry}`;
    const from = quoteWord(path.join(modelDir, entry));
    if (entry.startsWith('.')) continue;
    if (hasModel(modelDir, entry) && !VERSION_DIR.test(entry)) {
      // A link such as `latest` refers to a version that exists under its number.
      if (versions.length > 0 && isLink(path.join(modelDir, entry))) continue;
      const digits = Number(/[1-9]\d{0,8}/.exec(entry)?.[0] ?? next);
      const to = quoteWord(path.join(modelDir, String(versions.includes(digits) ? next : digits)));
      add(place, 'a version is a whole number without leading zeros, such as 1', `mv ${from} ${to}`);
    } else if (entry.toLowerCase().endsWith('.onnx') && versions.length === 0) {
      const target = path.join(modelDir, '1');
      add(
        place,
        'a model file lies in a version directory',
        `mkdir -p ${quoteWord(target)} && mv ${from} ${quoteWord(path.join(target, MODEL_FILE))}`,
      );
    } else if (VERSION_DIR.test(entry) && !versions.includes(Number(entry))) {
      found.push(...emptyVersion(modelDir, place, entry));
    }
  }
  return found;
}

/** A version directory without a model.onnx: being written, or its file has another name. */
function emptyVersion(modelDir: string, place: string, entry: string): Skipped[] {
  const versionDir = path.join(modelDir, entry);
  let names: string[] = [];
  try {
    names = readdirSync(versionDir);
  } catch {
    return [];
  }
  const other = names.find((name) => name.toLowerCase().endsWith('.onnx'));
  const reason = `${printable(place)} is not served: it holds no ${MODEL_FILE}`;
  if (other === undefined) return [{ place, reason }];
  return [
    {
      place,
      reason: `${reason}, but ${printable(other)}`,
      fix: `mv ${quoteWord(path.join(versionDir, other))} ${quoteWord(path.join(versionDir, MODEL_FILE))}`,
    },
  ];
}

function badName(dir: string, name: string): Skipped {
  const better = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9_]+|-+$/g, '') || 'model';
  return {
    place: name,
    reason: `${printable(name)} is not served: a model's name has letters, digits, dots, dashes and underscores, at most 128, and begins with none of . and -`,
    fix: `mv ${quoteWord(path.join(dir, name))} ${quoteWord(path.join(dir, better))}`,
  };
}

function flatFile(dir: string, file: string): Skipped {
  const target = path.join(dir, file.replace(/\.onnx$/i, ''), '1');
  return {
    place: file,
    reason: `${printable(file)} is not served: a model lies in <name>/<version>/${MODEL_FILE}`,
    fix: `mkdir -p ${quoteWord(target)} && mv ${quoteWord(path.join(dir, file))} ${quoteWord(path.join(target, MODEL_FILE))}`,
  };
}

/** Whether `<dir>/<entry>/model.onnx` exists; true for a broken link or if access is denied. */
function hasModel(dir: string, entry: string): boolean {
  try {
    lstatSync(path.join(dir, entry, MODEL_FILE));
    return true;
  } catch (error) {
    return isDenied(error);
  }
}

function isLink(file: string): boolean {
  return lstatSync(file).isSymbolicLink();
}

function isDirectory(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch (error) {
    return isDenied(error);
  }
}
