import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { InferError } from '../core/errors.js';
import { type LockHolder, lockHolder } from '../core/file-lock.js';
import { makePrivateDir, stateFileError } from '../core/private-dir.js';
import type { ProcessMark } from '../core/process-alive.js';

/** The pid file of a detached worker. It is written before the process is started, at first without a pid. */
export interface WorkerFile {
  /** Name of the file, `gpu-1`; the worker's own name is `<name>@<host>`. */
  name: string;
  /** ms since the epoch. */
  createdAt: number;
  /** Absent until the process has started. */
  process?: ProcessMark | undefined;
  /** Arguments of `infer worker`. */
  argv: readonly string[];
  queues: readonly string[];
  /** UUID or index; null for a worker on the CPU. */
  gpu: string | null;
  log: string;
  /** For an autoscaler's worker: its pool, its slot, and whether a later autoscaler adopted it. */
  pool?: string | undefined;
  slot?: string | undefined;
  adopted?: boolean | undefined;
  /** The `infer up` that starts it again when it dies; the worker ends with that process. */
  supervisor?: ProcessMark | undefined;
  /** Since when it has been draining, ms since the epoch. */
  drainingSince?: number | undefined;
  /** When it became ready, as it reported; where its models run and, if not on its GPU, why. */
  readyAt?: number | undefined;
  device?: string | undefined;
  fallback?: string | undefined;
}

/** Whether something starts this worker again when it ends: an autoscaler, or `infer up`. */
export function isManaged({ pool, supervisor }: WorkerFile): boolean {
  return pool !== undefined || supervisor !== undefined;
}

/** What a detached worker records as it ends; one that was killed cannot. */
export interface WorkerExit {
  pid: number;
  code: number;
  /** ms since the epoch. */
  at: number;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Maximum length of a given name; numbers and GPUs are appended to it. */
const NAME_MAX = 100;

/** Whether files of a worker may have this name; anything accepted stays inside the directory. */
export function isWorkerName(name: string): boolean {
  return NAME.test(name);
}

/** @throws InferError WORKER_NAME (exit 2): names become file names. */
export function checkWorkerName(name: string): string {
  if (!isWorkerName(name) || name.length > NAME_MAX) {
    throw new InferError('WORKER_NAME', `'${name}' cannot be the name of a worker`, {
      hint: 'use letters, digits, dot, dash and underscore, at most 100: gpu, realtime-1',
    });
  }
  return name;
}

/**
 * Files of this host's detached workers, `<stateDir>/workers/<host>`: hosts may share a state directory, and
 * process ids of another host mean nothing here.
 */
export class WorkerFiles {
  readonly dir: string;
  readonly host = hostname();

  /** @throws InferError STATE_DIR (exit 77) when the directory is not exclusively ours. */
  constructor(stateDir: string) {
    const workers = join(resolve(stateDir), 'workers');
    this.dir = join(workers, this.host);
    for (const dir of [workers, this.dir]) makePrivateDir(dir, refused);
  }

  logOf(name: string): string {
    return join(this.dir, `${name}.log`);
  }

  fileOf(name: string): string {
    return join(this.dir, `${name}.json`);
  }

  /** Held by an autoscaler for its whole life. */
  poolLock(pool: string): string {
    return join(this.dir, `${pool}.lock`);
  }

  poolState(pool: string): string {
    return join(this.dir, `${pool}.pool`);
  }

  get startLock(): string {
    return join(this.dir, 'start.lock');
  }

  poolHolder(pool: string): LockHolder | undefined {
    return lockHolder(this.poolLock(pool));
  }

  /** All pid files, sorted by name, with numbers in names compared as numbers. */
  list(): WorkerFile[] {
    const names = readdirSync(this.dir).filter((file) => file.endsWith('.json'));
    return names
      .flatMap((file) => this.read(file.slice(0, -'.json'.length)) ?? [])
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  read(name: string): WorkerFile | undefined {
    return readWorkerFile(this.fileOf(name));
  }

  /** Creates a pid file; false when one with that name exists. */
  create(file: WorkerFile): boolean {
    try {
      writeFileSync(this.fileOf(file.name), JSON.stringify(file), { mode: 0o600, flag: 'wx' });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      // A full disk leaves the file empty.
      this.remove(file.name);
      throw stateFileError(this.fileOf(file.name), error);
    }
  }

  /** Rewrites a pid file atomically; one that was removed meanwhile stays removed: false. */
  update(name: string, change: Partial<WorkerFile>): boolean {
    return updateWorkerFile(this.fileOf(name), change);
  }

  exitOf({ name, process: mark }: WorkerFile): WorkerExit | undefined {
    const exit = readJson<WorkerExit>(exitFile(this.fileOf(name)));
    return exit !== undefined && exit.pid === mark?.pid ? exit : undefined;
  }

  /** The log is kept: it says why a worker ended. */
  remove(name: string): void {
    for (const file of [this.fileOf(name), exitFile(this.fileOf(name))]) rmSync(file, { force: true });
  }
}

export function readWorkerFile(file: string): WorkerFile | undefined {
  const found = readJson<Partial<WorkerFile>>(file);
  if (found === undefined || typeof found.name !== 'string' || !Array.isArray(found.argv)) return undefined;
  return found as WorkerFile;
}

export function updateWorkerFile(file: string, change: Partial<WorkerFile>): boolean {
  const found = readWorkerFile(file);
  if (found === undefined) return false;
  writeAtomically(file, { ...found, ...change });
  return true;
}

/** Called by the worker itself as it ends. */
export function writeExit(file: string, code: number): void {
  writeAtomically(exitFile(file), { pid: process.pid, code, at: Date.now() } satisfies WorkerExit);
}

function exitFile(file: string): string {
  return file.replace(/\.json$/, '.exit');
}

export function writeAtomically(file: string, content: unknown): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    writeFileSync(aside, JSON.stringify(content), { mode: 0o600, flag: 'wx' });
    renameSync(aside, file);
  } catch (error) {
    throw stateFileError(file, error);
  } finally {
    rmSync(aside, { force: true });
  }
}

/** The content of one of our files; undefined when it is missing or truncated. */
export function readJson<T extends object>(file: string): T | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof content === 'object' && content !== null ? (content as T) : undefined;
  } catch {
    return undefined;
  }
}

function refused(dir: string, reason: string, fix?: string): InferError {
  return new InferError('STATE_DIR', `${dir} ${reason}, so pid files of workers are not safe there`, {
    hint: fix ?? 'choose another state directory with INFER_STATE_DIR',
  });
}
