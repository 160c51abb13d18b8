import { cp, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { InferError, messageOf } from '../../core/errors.js';
import { badName, isName, nameLike } from '../../core/names.js';
import { printable } from '../../core/printable.js';
import { isAlive } from '../../core/process-alive.js';
import { quoteWord } from '../../core/quote-word.js';
import type { ModelFiles } from '../../model/model-files.js';
import { MANIFEST_FILE, VERSION_DIR } from '../../model/model-names.js';
import { findOnly } from '../../model/repository.js';
import { onlyModelAt } from '../../model/survey.js';
import { copyAll, copyOf, differing, type ModelCopy } from './model-copy.js';
import { type TriedModel, tryModel } from './try-model.js';

export interface AddPlan {
  /** The model's file or directory. */
  from: string;
  /** The models directory to copy it into; created if absent. */
  modelsDir: string;
  /** Default: the name of the file or directory. */
  name: string | undefined;
  /** Default: the next one. */
  version: number | undefined;
  /** Replaces a version, and settings of the model that differ. */
  force: boolean;
  /** A file whose first row is run. */
  input: string | undefined;
  signal: AbortSignal;
  step(text: string): void;
}

export interface AddedModel extends TriedModel {
  /** The version's directory. */
  dir: string;
  /** What was copied, below the model's directory. */
  files: string[];
}

/** Directories in which a model is put together. Names with a dot are not read as models or versions. */
const STAGE = '.adding-';

/**
 * Copies a model into a models directory as a new version, after it has been loaded and has run a row there. It
 * appears in one step, by a rename, or not at all.
 * @throws InferError MODEL_EXISTS (2), MODEL_NOT_WRITTEN (78), USAGE (2) for a bad name; of `findOnly` and `tryModel`.
 */
export async function addModel(plan: AddPlan): Promise<AddedModel> {
  const name = plan.name ?? onlyModelAt(plan.from) ?? path.basename(plan.from);
  if (!isName('model', name)) throw nameFault(plan, name);
  const files = findOnly(plan.from, name);
  const target = path.join(plan.modelsDir, name);
  try {
    const there = await existing(target, name);
    const version = plan.version ?? (there.versions.at(-1) ?? 0) + 1;
    if (there.versions.includes(version) && !plan.force)
      throw versionTaken(plan, name, version, there.versions);
    const copy = copyOf(files, wishedFile(files));
    const own = onlyModelAt(plan.from);
    if (copy.isDoubtful && own !== undefined)
      await tryModel(plan.from, own, { file: plan.input, signal: plan.signal });
    const changed = there.dir === undefined ? [] : await differing(copy.shared, there.dir);
    if (changed[0] !== undefined && !plan.force)
      throw settingsTaken(
        name,
        changed.map(({ to }) => to),
      );
    return await stage({ plan, name, version, copy, there: there.dir, target });
  } catch (error) {
    throw notWritten(error, target);
  }
}

/** The path that the model file must have below a version directory, if its settings name one. */
function wishedFile({ given, manifest, triton, label }: ModelFiles): string | undefined {
  if (given.includes('file')) return manifest.file;
  return triton === undefined ? undefined : path.posix.basename(label);
}

interface Staging {
  plan: AddPlan;
  name: string;
  version: number;
  copy: ModelCopy;
  /** Real path of the model's directory, if it exists. */
  there: string | undefined;
  /** Its path in the models directory. */
  target: string;
}

async function stage({ plan, name, version, copy, there, target }: Staging): Promise<AddedModel> {
  await mkdir(plan.modelsDir, { recursive: true });
  const place = there ?? (await realpath(plan.modelsDir));
  await sweep(place);
  const dir = await mkdtemp(path.join(place, `${STAGE}${hostname()}-${process.pid}-`));
  try {
    const draft = path.join(dir, name);
    if (there !== undefined) await copyShared(there, draft);
    plan.step(`copying ${name}`);
    await copyAll(copy.shared, draft, plan.signal);
    await copyAll(copy.version, path.join(draft, String(version)), plan.signal);
    plan.step(`checking ${name}`);
    const tried = await tryModel(dir, name, { file: plan.input, version, signal: plan.signal });
    plan.signal.throwIfAborted();
    if (there === undefined) await rename(draft, target);
    else await moveInto(there, draft, version, copy, path.join(dir, 'replaced'));
    const files = [...copy.version.map(({ to }) => `${version}/${to}`), ...copy.shared.map(({ to }) => to)];
    return { ...tried, dir: path.join(target, String(version)), files };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Settings first, so that the version never runs with those of another one. */
async function moveInto(
  there: string,
  draft: string,
  version: number,
  { shared }: ModelCopy,
  replaced: string,
): Promise<void> {
  for (const { to } of shared) {
    const file = path.join(there, ...to.split('/'));
    await mkdir(path.dirname(file), { recursive: true });
    await rename(path.join(draft, ...to.split('/')), file);
  }
  const own = path.join(there, String(version));
  await rename(own, replaced).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(path.join(draft, String(version)), own);
}

/** The files of a model outside of its versions, for the trial; packages by a link. */
async function copyShared(there: string, draft: string): Promise<void> {
  await mkdir(draft, { recursive: true });
  for (const entry of await readdir(there)) {
    if (entry.startsWith('.') || VERSION_DIR.test(entry)) continue;
    const from = path.join(there, entry);
    if (entry === 'node_modules') await symlink(from, path.join(draft, entry));
    else await cp(from, path.join(draft, entry), { recursive: true, dereference: true });
  }
}

/** Removes what a killed `infer models add` of this host has left. */
async function sweep(place: string): Promise<void> {
  const own = `${STAGE}${hostname()}-`;
  for (const entry of await readdir(place)) {
    const pid = entry.startsWith(own) ? Number(entry.slice(own.length).split('-')[0]) : Number.NaN;
    if (pid > 0 && !isAlive(pid)) await rm(path.join(place, entry), { recursive: true, force: true });
  }
}

/** The model's directory and its versions, also empty ones. @throws InferError MODEL_EXISTS for one without versions, or what is no directory. */
async function existing(target: string, name: string): Promise<{ dir?: string; versions: number[] }> {
  const stats = await lstat(target).catch(() => undefined);
  if (stats === undefined) return { versions: [] };
  const dir = await realpath(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new InferError('MODEL_EXISTS', `${printable(target)} is a broken link`, {
      hint: `--name ${name}-2, or remove the link: rm ${quoteWord(target)}`,
    });
  });
  if (!(await stat(dir)).isDirectory()) {
    throw new InferError('MODEL_EXISTS', `${printable(target)} exists and is not a directory`, {
      hint: `--name ${name}-2, or move the file away`,
    });
  }
  const entries = await readdir(dir);
  const versions = entries
    .filter((entry) => VERSION_DIR.test(entry))
    .map(Number)
    .sort((a, b) => a - b);
  if (versions.length > 0 || entries.every((entry) => entry.startsWith('.') || entry === MANIFEST_FILE))
    return { dir, versions };
  throw new InferError('MODEL_EXISTS', `${printable(target)} is there, and has no version directories`, {
    hint: `--name ${name}-2, or move its files into ${quoteWord(path.join(target, '1'))} first`,
  });
}

function versionTaken(
  { modelsDir }: AddPlan,
  name: string,
  version: number,
  versions: readonly number[],
): InferError {
  const next = (versions.at(-1) ?? 0) + 1;
  return new InferError(
    'MODEL_EXISTS',
    `model ${name} has a version ${version} already in ${printable(modelsDir)}`,
    { hint: `leave --version out for version ${next}, or replace it with --force` },
  );
}

function settingsTaken(name: string, files: readonly string[]): InferError {
  return new InferError(
    'MODEL_EXISTS',
    `model ${name} has another ${files.map(printable).join(', ')}, which all of its versions share`,
    { hint: 'replace it with --force, or add the model under another name: --name NAME' },
  );
}

function nameFault({ from }: AddPlan, name: string): InferError {
  return new InferError('USAGE', badName('model', name), {
    hint: `infer models add ${quoteWord(from)} --name ${nameLike('model', name)}`,
  });
}

/** An error of the file system, as MODEL_NOT_WRITTEN; any other as it is. */
function notWritten(error: unknown, target: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof syscall !== 'string') return error;
  if (syscall === 'rename' && (code === 'ENOTEMPTY' || code === 'EEXIST')) {
    return new InferError('MODEL_EXISTS', `${printable(target)} has just been created by another process`, {
      hint: 'run the command again: it becomes the next version',
      cause: error,
    });
  }
  const why: Record<string, string> = {
    ENOSPC: 'the disk is full',
    EACCES: 'no permission',
    EPERM: 'no permission',
    EROFS: 'the file system is read-only',
    EEXIST: 'a part of that path is a file',
    ENOTDIR: 'a part of that path is a file',
  };
  return new InferError(
    'MODEL_NOT_WRITTEN',
    `cannot copy to ${printable(target)}: ${why[code ?? ''] ?? messageOf(error)}; nothing was changed`,
    { hint: 'name a directory that you may write to: --models DIR', cause: error },
  );
}
