import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InferError } from '../core/errors.js';
import { EXPORT_FILES, MANIFEST_FILE, TRITON_FILE } from './model-names.js';

/** A file that belongs to a model's version. */
export interface ContentFile {
  /** Path below the model's directory, as named by its links: `1/model.onnx`. */
  label: string;
  /** Real path. */
  path: string;
  /** SHA-256, hex, if its bytes have been read already; empty for a missing file. */
  sha?: string;
}

/** A file as it was read: its hash, and a stamp that tells whether it changed without reading it. */
export interface FileMark extends ContentFile {
  sha: string;
  /** Device, inode, size, and modification and change times in nanoseconds. */
  stamp: string;
  sizeBytes: number;
  /**
   * False when it had changed just before it was hashed: another write in the same clock tick may go
   * unnoticed.
   */
  settled: boolean;
}

/** All files of a version. */
export interface Fingerprint {
  /** SHA-256 over labels and hashes of all files, hex, first 16 characters. */
  digest: string;
  files: FileMark[];
}

const DIGEST_CHARS = 16;
/** The coarsest file-system timestamps have a resolution of 2 s (FAT). */
const SETTLED_MS = 3000;
/** Labels of files in a version's directory, of model files elsewhere, and of a model's settings. */
const OF_MODEL = new RegExp(
  `^(?:\\d+/|onnx/|[^/]+\\.onnx(?:$|[._])|${[MANIFEST_FILE, TRITON_FILE, ...EXPORT_FILES].map(literal).join('|')})`,
);

/** Names of code files of a handler. */
export const CODE = /\.(?:mjs|cjs|js)$/;
/** Stamp of a missing file. */
const ABSENT = '';
const CHUNK_BYTES = 1024 * 1024;

/**
 * Hashes the files of a version. Files of `known` with an unchanged stamp are not read again, so that the
 * tenth runner of a worker does not hash gigabytes a tenth time. That is safe: no program can set a file's
 * change time (ctime), every write updates it, and a mark made within one tick of a change is not reused.
 * @throws the file system's error when one cannot be read.
 */
export async function fingerprint(
  contents: readonly ContentFile[],
  known: readonly FileMark[] = [],
): Promise<Fingerprint> {
  const files: FileMark[] = [];
  for (const file of contents) files.push(await markOf(file, known));
  files.sort((a, b) => (a.label < b.label ? -1 : 1));
  const hash = createHash('sha256');
  for (const { label, sha } of files) hash.update(`${label}\0${sha}\n`);
  return { digest: hash.digest('hex').slice(0, DIGEST_CHARS), files };
}

async function markOf({ label, path, sha }: ContentFile, known: readonly FileMark[]): Promise<FileMark> {
  if (sha === '') return { label, path, sha, stamp: ABSENT, sizeBytes: 0, settled: true };
  const now = Date.now();
  const stats = await stat(path, { bigint: true });
  const stamp = stampOf(stats);
  const settled = isSettled(stats, now);
  const same = known.find((mark) => mark.path === path && mark.stamp === stamp && mark.settled);
  return {
    label,
    path,
    sha: sha ?? same?.sha ?? (await shaOf(path)),
    stamp,
    sizeBytes: Number(stats.size),
    settled,
  };
}

/** Whether none of the files is being written: each was last changed longer ago than any clock's tick. */
export async function areSettled(files: readonly ContentFile[]): Promise<boolean> {
  const looks = await Promise.all(
    files.map(({ path }) =>
      stat(path, { bigint: true }).then(
        (stats) => isSettled(stats, Date.now()),
        () => true,
      ),
    ),
  );
  return looks.every(Boolean);
}

/**
 * A string that changes when any of these paths becomes another file, including missing ones; undefined while
 * a file is being written.
 */
export async function stampsAtRest(paths: readonly string[]): Promise<string | undefined> {
  const looks = await Promise.all(paths.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  const now = Date.now();
  const written = (stats: BigIntStats | undefined) =>
    stats !== undefined && !stats.isDirectory() && !isSettled(stats, now);
  if (looks.some(written)) return undefined;
  return looks.map((stats) => (stats === undefined ? ABSENT : stampOf(stats))).join(' ');
}

function isSettled({ ctimeMs }: BigIntStats, now: number): boolean {
  return now - Number(ctimeMs) > SETTLED_MS;
}

/** Labels of files that changed since they were marked: other times, size or place, or deleted. */
export async function changedSince(files: readonly FileMark[]): Promise<string[]> {
  const looks = await Promise.all(files.map(async ({ path, stamp }) => (await stampAt(path)) !== stamp));
  return files.filter((_, index) => looks[index]).map(({ label }) => label);
}

/** Whether a file was overwritten in place, which a program that has mapped it can see. */
export async function overwritten({ path, stamp }: FileMark): Promise<boolean> {
  const now = await stampAt(path);
  return (
    now !== ABSENT && now !== stamp && inodeOf(now) === inodeOf(stamp) && writeOf(now) !== writeOf(stamp)
  );
}

/** Labels whose content differs between two readings of a version, including those present in only one. */
export function differences(before: readonly FileMark[], after: readonly FileMark[]): string[] {
  const shas = new Map(before.map(({ label, sha }) => [label, sha]));
  const changed = after.filter(({ label, sha }) => shas.get(label) !== sha).map(({ label }) => label);
  const gone = before.filter(({ label }) => !after.some((one) => one.label === label));
  return [...changed, ...gone.map(({ label }) => label)].sort();
}

/**
 * MODEL_CHANGED: the files on disk are not those that were loaded. `what` ends the sentence `model m@1 …`.
 * @param labels the changed files: a handler's data may have been written by the handler itself.
 */
export function modelChanged(
  model: string,
  version: number,
  what: string,
  labels: readonly string[] = [],
): InferError {
  const serve = `infer control load WORKER ${model} serves what is on disk now; or put the former files back`;
  const data = labels.filter((label) => !OF_MODEL.test(label) && !CODE.test(label));
  const own = `if the handler writes it: "handlerWrites": ${JSON.stringify(data)} in model.json, then `;
  return new InferError('MODEL_CHANGED', `model ${model}@${version} ${what}`, {
    hint: data.length === 0 ? serve : `${own}${serve}`,
  });
}

/** A pattern that matches exactly this label. */
function literal(label: string): string {
  return `${label.replaceAll('.', '\\.')}$`;
}

async function stampAt(path: string): Promise<string> {
  try {
    return stampOf(await stat(path, { bigint: true }));
  } catch {
    return ABSENT;
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function inodeOf(stamp: string): string {
  return stamp.split(':').slice(0, 2).join(':');
}

/** Size and time of the last write; links and permissions change only the other time. */
function writeOf(stamp: string): string {
  return stamp.split(':').slice(2, 4).join(':');
}

async function shaOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}
