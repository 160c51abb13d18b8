import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { printable } from '../core/job.js';
import { type ModelManifest, parseManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';

/** A model found on disk; all paths are real paths inside the model's own directory. */
export interface ModelFiles {
  name: string;
  version: number;
  /** The model's directory, `<models>/<name>`. */
  dir: string;
  onnxPath: string;
  /** `digits/1/model.onnx`: how messages name the file. */
  label: string;
  manifest: ModelManifest;
  /** Real path of the manifest's handler module. */
  handlerPath?: string;
  /** Bytes of everything in the version directory: model.onnx and its external data. */
  sizeBytes: number;
}

export interface ModelListing {
  name: string;
  /** The version served: the highest. */
  version: number;
  /** All versions, lowest first. */
  versions: number[];
}

const MODEL_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const VERSION_DIR = /^[1-9]\d{0,8}$/;
const MODEL_FILE = 'model.onnx';
const MANIFEST_FILE = 'model.json';

/** `./models` of the working directory when there is one, else the models that ship with the package. */
export function defaultModelsDir(cwd: string, packageRoot: string): string {
  const own = path.join(cwd, 'models');
  return isDirectory(own) ? own : path.join(packageRoot, 'models');
}

/**
 * Models of a directory laid out as `<dir>/<name>/<version>/model.onnx`, by name. Folders without a
 * version that holds a model are left out; manifests are not read, so one bad model hides no other.
 * @throws InferError MODELS_DIR (exit 66) when the directory is not there.
 */
export function listModels(dir: string): ModelListing[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    throw new InferError('MODELS_DIR', `no models directory at ${printable(dir)}`, {
      hint: 'name one with --models, laid out as <dir>/<name>/1/model.onnx',
      exitCode: ExitCode.NoInput,
      cause: error,
    });
  }
  const listings: ModelListing[] = [];
  for (const name of names.sort()) {
    if (!MODEL_NAME.test(name)) continue;
    const versions = versionsOf(path.join(dir, name));
    const version = versions.at(-1);
    if (version !== undefined) listings.push({ name, version, versions });
  }
  return listings;
}

/**
 * One model, its manifest read and every file checked to lie inside the model's own directory.
 * @throws InferError MODEL_UNKNOWN (exit 66), MODEL_PATH or MODEL_MANIFEST (exit 78).
 */
export function findModel(dir: string, name: string, version?: number): ModelFiles {
  const listings = listModels(dir);
  const listing = MODEL_NAME.test(name) ? listings.find((one) => one.name === name) : undefined;
  if (listing === undefined) throw unknownModel(dir, name, listings);
  if (version !== undefined && !listing.versions.includes(version)) {
    throw new InferError('MODEL_UNKNOWN', `model '${name}' has no version ${version}`, {
      hint: `versions there: ${listing.versions.join(', ')}`,
      exitCode: ExitCode.NoInput,
    });
  }
  const chosen = version ?? listing.version;
  const root = realpathSync(dir);
  const modelDir = path.join(root, name);
  if (realpathSync(modelDir) !== modelDir) throw outside(name, name);
  const versionDir = realInside(modelDir, path.join(modelDir, String(chosen)), name);
  const sizeBytes = sizeWithin(modelDir, versionDir, name);
  const manifest = readManifest(modelDir, name);
  const files: ModelFiles = {
    name,
    version: chosen,
    dir: modelDir,
    onnxPath: realInside(modelDir, path.join(versionDir, MODEL_FILE), name),
    label: `${name}/${chosen}/${MODEL_FILE}`,
    manifest,
    sizeBytes,
  };
  if (manifest.handler !== undefined) files.handlerPath = handlerOf(modelDir, manifest.handler, name);
  return files;
}

function versionsOf(modelDir: string): number[] {
  if (!isDirectory(modelDir)) return [];
  return readdirSync(modelDir)
    .filter((entry) => VERSION_DIR.test(entry) && existsSync(path.join(modelDir, entry, MODEL_FILE)))
    .map(Number)
    .sort((a, b) => a - b);
}

function readManifest(modelDir: string, name: string): ModelManifest {
  const file = path.join(modelDir, MANIFEST_FILE);
  if (!existsSync(file)) return {};
  return parseManifest(readFileSync(realInside(modelDir, file, name), 'utf8'), `${name}/${MANIFEST_FILE}`);
}

function handlerOf(modelDir: string, handler: string, name: string): string {
  const file = path.resolve(modelDir, handler);
  if (!isWithin(modelDir, file)) throw outside(name, `${name}/${handler}`);
  if (!existsSync(file))
    throw manifestError(`${name}/${MANIFEST_FILE}`, `field handler: there is no ${handler}`);
  return realInside(modelDir, file, name);
}

/**
 * Bytes below a version directory. Walks it so that a link out of the model is refused wherever the
 * ONNX file may name it as external data; ONNX Runtime itself refuses `../` in such names.
 */
function sizeWithin(modelDir: string, dir: string, name: string): number {
  let bytes = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const file = realInside(modelDir, path.join(dir, entry.name), name);
    if (entry.isDirectory()) bytes += sizeWithin(modelDir, file, name);
    else bytes += statSync(file).size;
  }
  return bytes;
}

function realInside(modelDir: string, file: string, name: string): string {
  let real: string;
  try {
    real = realpathSync(file);
  } catch {
    throw new InferError(
      'MODEL_PATH',
      `model '${name}': ${relativeLabel(modelDir, file, name)} is a broken link`,
      {
        hint: 'replace the link by the file itself',
        exitCode: ExitCode.BadConfig,
      },
    );
  }
  if (!isWithin(modelDir, real)) throw outside(name, relativeLabel(modelDir, file, name));
  return real;
}

function relativeLabel(modelDir: string, file: string, name: string): string {
  return path.posix.join(name, path.relative(modelDir, file).split(path.sep).join('/'));
}

function isWithin(dir: string, file: string): boolean {
  const relative = path.relative(dir, file);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function outside(name: string, label: string): InferError {
  return new InferError(
    'MODEL_PATH',
    `model '${name}': ${printable(label)} leads out of the model's own directory`,
    {
      hint: 'copy the file into the model directory: links out of it are not followed',
      exitCode: ExitCode.BadConfig,
    },
  );
}

function unknownModel(dir: string, name: string, listings: ModelListing[]): InferError {
  const names = listings.map((one) => one.name);
  const shown = printable(name);
  const message = `no model '${shown}' in ${printable(dir)}`;
  return new InferError('MODEL_UNKNOWN', message, {
    hint: unknownHint(dir, name, names),
    exitCode: ExitCode.NoInput,
  });
}

function unknownHint(dir: string, name: string, names: string[]): string {
  if (MODEL_NAME.test(name)) {
    for (const misplaced of [path.join(name, MODEL_FILE), `${name}.onnx`]) {
      if (!existsSync(path.join(dir, misplaced))) continue;
      const target = path.join(dir, name, '1');
      return `mkdir -p ${target} && mv ${path.join(dir, misplaced)} ${path.join(target, MODEL_FILE)}`;
    }
  }
  if (names.length === 0) return 'the directory holds no <name>/<version>/model.onnx yet';
  const near = closestWord(name, names);
  return `${near === undefined ? '' : `did you mean '${near}'? `}models there: ${names.join(', ')}`;
}

function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
