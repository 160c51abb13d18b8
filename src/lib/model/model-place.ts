import type { Dirent } from 'node:fs';
import path from 'node:path';
import { EXPORT_MARKS, MODEL_FILE, VERSION_DIR } from './model-names.js';
import { listed, type Steps } from './steps.js';
import { isDenied } from './unreadable.js';

/** What a models setting names: a directory of models, or a single model by its directory or file. */
export type ModelsPlace = { kind: 'directory' } | OnePlace;

export interface OnePlace {
  kind: 'one';
  /** The model's name: that of its file, or of its directory. */
  name: string;
  /** The model's directory. */
  dir: string;
  /** The model file below it, if one was named: `onnx/model_q4.onnx`. */
  file?: string;
  /** The version directory that the file is in, if any. */
  version?: number;
  /** Whether the other files of its directory belong to the model. */
  alone: boolean;
}

/** A variant of an export by its precision, as its file is called: `model_quantized.onnx`, `model_q4.onnx`. */
export const VARIANT = /^model_[\w.-]+\.onnx$/;
/** In Hugging Face's cache the directory is called like the revision. */
const HUB_SNAPSHOT = /(?:^|[/\\])models--(?:[^/\\]+--)?([^/\\]+?)[/\\]snapshots[/\\][^/\\]+$/;

/**
 * What is at a path that was given as the models directory.
 * @throws the file system's error when it cannot be read.
 */
export function* modelsPlace(at: string): Steps<ModelsPlace> {
  let entries: Dirent[];
  try {
    entries = yield* listed(at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR' || !/\.onnx$/i.test(at)) throw error;
    return yield* placeOfFile(path.resolve(at));
  }
  const names = new Set(entries.map(({ name }) => name));
  const one = { kind: 'one' as const, name: nameOfDir(path.resolve(at)), dir: at, alone: false };
  if (names.has(MODEL_FILE)) return one;
  const marked = [...names].some((name) => EXPORT_MARKS.has(name));
  if (marked && (yield* exportedFiles(at, names)).length > 0) return one;
  for (const name of names) {
    if (!VERSION_DIR.test(name)) continue;
    const files = yield* namesIn(path.join(at, name));
    if (marked ? [...files].some((file) => file.endsWith('.onnx')) : files.has(MODEL_FILE)) return one;
  }
  return { kind: 'directory' };
}

function* placeOfFile(file: string): Steps<OnePlace> {
  const base = path.basename(file);
  const parent = path.dirname(file);
  const stem = base.replace(/\.onnx$/i, '');
  const above = path.dirname(parent);
  const named = base === MODEL_FILE || VARIANT.test(base);
  if (!named) return { kind: 'one', name: stem, dir: parent, file: base, alone: true };
  if (VERSION_DIR.test(path.basename(parent))) {
    const version = Number(path.basename(parent));
    const within = `${version}/${base}`;
    return { kind: 'one', name: nameOfDir(above), dir: above, file: within, version, alone: false };
  }
  if (path.basename(parent) === 'onnx' && hasMark(yield* namesIn(above)))
    return { kind: 'one', name: nameOfDir(above), dir: above, file: `onnx/${base}`, alone: false };
  const marked = base === MODEL_FILE || hasMark(yield* namesIn(parent));
  if (!marked) return { kind: 'one', name: stem, dir: parent, file: base, alone: true };
  return { kind: 'one', name: nameOfDir(parent), dir: parent, file: base, alone: false };
}

function hasMark(names: ReadonlySet<string>): boolean {
  return [...names].some((name) => EXPORT_MARKS.has(name));
}

function nameOfDir(dir: string): string {
  return HUB_SNAPSHOT.exec(dir)?.[1] ?? path.basename(dir);
}

/**
 * Model files below a directory that contains one model, the one to serve first: `model.onnx`, else
 * `onnx/model.onnx`, else the variants by precision.
 * @param names what is in the directory.
 */
export function* exportedFiles(dir: string, names: ReadonlySet<string>): Steps<string[]> {
  if (names.has(MODEL_FILE)) return [MODEL_FILE];
  const below = names.has('onnx') ? yield* namesIn(path.join(dir, 'onnx')) : new Set<string>();
  if (below.has(MODEL_FILE)) return [`onnx/${MODEL_FILE}`];
  const own = [...names].filter((name) => VARIANT.test(name));
  if (own.length > 0) return own.sort();
  return [...below]
    .filter((name) => VARIANT.test(name))
    .map((name) => `onnx/${name}`)
    .sort();
}

/** Names in a directory; none if it is not one. One that may not be read counts as having a model. */
export function* namesIn(dir: string): Steps<ReadonlySet<string>> {
  try {
    return new Set((yield* listed(dir)).map(({ name }) => name));
  } catch (error) {
    return new Set(isDenied(error) ? [MODEL_FILE] : []);
  }
}
