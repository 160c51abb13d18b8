import { randomUUID } from 'node:crypto';
import {
  constants,
  copyFileSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stateFileError } from './private-dir.js';
import { markOf, type ProcessMark, stillRuns } from './process-alive.js';

const POLL_MS = 25;
/** Errors of `link` without hard links: FAT, network and FUSE file systems. */
const NO_LINKS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
/** There, a lock briefly exists before its holder's name has been written. */
const WRITING_MS = 2000;

/** Who holds a lock file. */
export interface LockHolder extends ProcessMark {
  /** Milliseconds since the epoch. */
  since: number;
  /** What the holder does with it, for display. */
  purpose?: string | undefined;
}

export interface HeldLock {
  /** False when the file was removed or taken over manually. */
  stillHeld(): boolean;
  release(): void;
}

export interface LockOptions {
  /** How long to wait for another holder; 0 checks once. */
  waitMs: number;
  purpose?: string;
  /** The error to throw when the wait is over. */
  busy: (holder: LockHolder) => Error;
}

/**
 * Takes an exclusive lock file that names its holder's process, and waits for another holder to release it. A
 * lock whose holder is dead is taken over: pids are reused, so the start time is compared too.
 * @throws the error from `busy`; InferError STATE_DIR or STATE_DIR_FAILED when the file cannot be written.
 */
export async function takeLock(file: string, options: LockOptions): Promise<HeldLock> {
  const holder = { ...markOf(process.pid), since: Date.now(), purpose: options.purpose };
  // Two locks of one process are different locks.
  const content = JSON.stringify({ ...holder, token: randomUUID() });
  const deadline = performance.now() + options.waitMs;
  // Not `pollUntil`: a stale lock that was removed is taken at once, and a holder that is still writing its
  // name is waited for beyond the limit, since `busy` must name it.
  while (!tryLock(file, content)) {
    const other = breakStaleLock(file);
    if (other === 'being written') {
      await delay(POLL_MS);
      continue;
    }
    if (other !== undefined && performance.now() >= deadline) throw options.busy(other);
    if (other !== undefined) await delay(POLL_MS);
  }
  const stillHeld = (): boolean => read(file) === content;
  return {
    stillHeld,
    release: () => {
      if (stillHeld()) rmSync(file, { force: true });
    },
  };
}

/** Who holds a lock at the moment; undefined if it is free. Takes nothing. */
export function lockHolder(file: string): LockHolder | undefined {
  const content = read(file);
  return content === undefined ? undefined : liveHolder(content);
}

function tryLock(file: string, content: string): boolean {
  // Written under another name and linked: the lock never exists without its owner's name.
  const aside = `${file}.${randomUUID()}`;
  try {
    writeFileSync(aside, content, { mode: 0o600, flag: 'wx' });
    putInPlace(aside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw stateFileError(file, error);
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Atomic where hard links are supported. @throws EEXIST when the file exists already. */
function putInPlace(aside: string, file: string): void {
  try {
    linkSync(aside, file);
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code)) throw error;
    copyFileSync(aside, file, constants.COPYFILE_EXCL);
  }
}

/** Removes a lock whose holder has exited; returns the holder if it is alive. */
function breakStaleLock(file: string): LockHolder | 'being written' | undefined {
  const content = read(file);
  if (content === undefined) return undefined;
  const holder = liveHolder(content);
  if (holder !== undefined) return holder;
  if (!isWhole(content) && isNew(file)) return 'being written';
  const aside = `${file}.${randomUUID()}`;
  try {
    // Of several processes that find it stale, one rename wins; a second one may catch the winner's new lock,
    // notices that by its content and puts it back.
    renameSync(file, aside);
    if (read(aside) !== content) putInPlace(aside, file);
  } catch {
    // Another process was faster: check again in the next round.
  } finally {
    rmSync(aside, { force: true });
  }
  return undefined;
}

/** Undefined when the text is not ours: a lock always contains its holder's name. */
function liveHolder(content: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(content) as Partial<LockHolder> | null;
    const named = holder !== null && Number.isInteger(holder.pid) && (holder.pid as number) > 0;
    return named && stillRuns(holder as LockHolder) ? (holder as LockHolder) : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(content: string): boolean {
  try {
    JSON.parse(content);
    return true;
  } catch {
    return false;
  }
}

function isNew(file: string): boolean {
  const { mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return Math.abs(Date.now() - mtimeMs) < WRITING_MS;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw stateFileError(file, error);
  }
}
