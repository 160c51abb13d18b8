import { existsSync, lstatSync } from 'node:fs';
import path from 'node:path';
import { closestWord } from '../config/suggest.js';
import { printable } from '../core/job.js';
import { derived } from './derived.js';
import type { ContentFile } from './fingerprint.js';
import { handlerFiles } from './handler-files.js';
import { manifestError } from './manifest-error.js';
import { dirsOnTheWay, isWithin, ModelAccess, outside } from './model-access.js';
import type { ModelFiles } from './model-files.js';
import { MANIFEST_FILE, MODEL_FILE } from './model-names.js';
import { exportedFiles, namesIn, type OnePlace, VARIANT } from './model-place.js';
import { type ModelSettings, readSettings } from './model-settings.js';
import { now } from './steps.js';
import type { ModelListing } from './survey.js';

/**
 * All files of a model's version, and its settings.
 * @param dir the model's directory, as named.
 * @param place set if the model was named by its own path.
 * @throws InferError MODEL_UNREADABLE (77), MODEL_PATH or MODEL_MANIFEST (78).
 */
export function readModel(
  dir: string,
  { name, flat }: ModelListing,
  version: number,
  place: OnePlace | undefined,
): ModelFiles {
  const access = new ModelAccess(dir, name);
  const below = flat === true ? '' : String(version);
  const root = below === '' ? access.dir : access.real(path.join(access.dir, below), `${name}/${below}`);
  const alone = place?.alone === true;
  const settings: ModelSettings = alone
    ? { ...derived(), given: [], contents: [] }
    : readSettings(access, root);
  const own = place?.file ?? join(below, fileOf(access, root, below, settings));
  const home = path.posix.dirname(own) === '.' ? '' : path.posix.dirname(own);
  const label = alone ? own : `${name}/${own}`;
  const link = path.join(access.dir, ...own.split('/'));
  const onnxPath = access.real(link, label);
  const whole = below !== '' && home === below && settings.exported === undefined;
  const files: ModelFiles = {
    name,
    version,
    dir: access.dir,
    onnxPath,
    dataDirs: dirsOnTheWay(link),
    label,
    home,
    manifest: settings.manifest,
    given: settings.given,
    origins: settings.origins,
    notes: [...variantNotes(link, own), ...settings.notes],
    ...(settings.triton === undefined ? {} : { triton: settings.triton.tensors }),
    ...(settings.exported === undefined ? {} : { exported: settings.exported }),
    contents: [{ label: own, path: onnxPath }, ...settings.contents],
    sizeBytes: whole ? access.sizeOf(root, `${name}/${below}`) : sizeWithData(access, link, home),
  };
  addHandler(access, files);
  for (const { path: real, sha } of files.contents) if (sha !== '') access.readable(real);
  return files;
}

/** The model file below its version's directory. */
function fileOf(access: ModelAccess, root: string, below: string, settings: ModelSettings): string {
  const wished = settings.manifest.file?.replace(/^\.\//, '') ?? settings.triton?.file;
  if (wished !== undefined) {
    if (exists(path.join(root, wished))) return wished;
    const there = [...now(namesIn(root))].filter((one) => one.endsWith('.onnx'));
    const near = closestWord(wished, there);
    const [file, field] =
      settings.manifest.file === undefined
        ? ['config.pbtxt', 'default_model_filename']
        : [MANIFEST_FILE, 'file'];
    throw manifestError(
      `${access.name}/${file}`,
      `field ${field}: there is no ${printable(`${access.name}/${join(below, wished)}`)}`,
      near === undefined ? `copy it there, or leave ${field} out` : `did you mean '${near}'?`,
    );
  }
  const names = access.reading(root, () => now(namesIn(root)));
  return now(exportedFiles(root, names))[0] ?? MODEL_FILE;
}

/** Which file was chosen, if there are variants of it. */
function variantNotes(link: string, own: string): string[] {
  const names = now(namesIn(path.dirname(link)));
  const base = path.basename(link);
  const others = [...names].filter((name) => (VARIANT.test(name) || name === MODEL_FILE) && name !== base);
  if (others.length === 0 || !(base === MODEL_FILE || VARIANT.test(base))) return [];
  const shown = others.map(printable).join(', ');
  return [`${printable(own)} is served; other variants there: ${shown} ("file" in model.json chooses one)`];
}

/** Bytes of a model file, and of external data, which exporters name after it: `model.onnx_data`. */
function sizeWithData(access: ModelAccess, link: string, home: string): number {
  const base = path.basename(link);
  const label = `${access.name}/${home}`;
  const belongs = (name: string) =>
    name === base || name.startsWith(`${base}_`) || name.startsWith(`${base}.`);
  return access.sizeOf(path.dirname(link), label, belongs);
}

function addHandler(access: ModelAccess, files: ModelFiles): void {
  const { handler, handlerWrites = [] } = files.manifest;
  if (handler === undefined) return;
  const file = path.resolve(access.dir, handler);
  const label = `${access.name}/${handler}`;
  if (!isWithin(access.dir, file)) throw outside(access.name, label);
  if (!existsSync(file))
    throw manifestError(`${access.name}/${MANIFEST_FILE}`, `field handler: there is no ${handler}`);
  files.handlerPath = access.inside(file, label);
  const read = (one: string) => access.bytes(one).toString('utf8');
  for (const real of handlerFiles(access.dir, files.handlerPath, handlerWrites, read)) {
    const own = path.relative(access.dir, real).split(path.sep).join('/');
    const known: ContentFile[] = files.contents;
    if (!known.some((one) => one.path === real)) known.push({ label: own, path: real });
  }
}

/** Whether there is a file or link, even a broken one, which is reported as such. */
function exists(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

function join(below: string, file: string): string {
  return below === '' ? file : `${below}/${file}`;
}
