import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { isAlive } from '../core/process-alive.js';

/** Held while a server is started or stopped, which takes 10..30 s at most: older is left over. */
const STALE_AFTER_MS = 60_000;
const POLL_MS = 25;

export interface HeldLock {
  /** False when another process has taken the lock over, because ours looked left over. */
  stillHeld(): boolean;
  release(): void;
}

/**
 * Takes an exclusive lock file that names its owner's pid, and waits for another owner to let go.
 * A lock whose owner is dead, or which is older than a minute (pids are used again), is taken over.
 * @throws InferError REDIS_START_BUSY (exit 75) after `timeoutMs`.
 */
export async function takeLock(file: string, timeoutMs: number): Promise<HeldLock> {
  const token = `${process.pid} ${randomUUID()}`;
  const deadline = performance.now() + timeoutMs;
  while (!tryLock(file, token)) {
    breakStaleLock(file);
    if (performance.now() > deadline) {
      throw new InferError(
        'REDIS_START_BUSY',
        "another command has been starting or stopping infer's Redis for too long",
        {
          hint: `look at \`infer redis status\`; if nothing of infer runs, remove ${file}`,
          exitCode: ExitCode.TryAgain,
        },
      );
    }
    await delay(POLL_MS);
  }
  const stillHeld = (): boolean => read(file) === token;
  return {
    stillHeld,
    release: () => {
      if (stillHeld()) rmSync(file, { force: true });
    },
  };
}

function tryLock(file: string, token: string): boolean {
  // Written aside and linked: the lock never exists without its owner's name in it.
  const aside = `${file}.${randomUUID()}`;
  try {
    writeFileSync(aside, token, { mode: 0o600, flag: 'wx' });
    linkSync(aside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function breakStaleLock(file: string): void {
  const content = read(file);
  if (content === undefined || !isStale(file, content)) return;
  const aside = `${file}.${randomUUID()}`;
  try {
    // Of several that find it stale, one rename wins; a second may catch the winner's new lock,
    // sees that by its content and puts it back.
    renameSync(file, aside);
    if (read(aside) !== content) linkSync(aside, file);
  } catch {
    // Somebody else was quicker: the next round looks again.
  } finally {
    rmSync(aside, { force: true });
  }
}

function isStale(file: string, content: string): boolean {
  const pid = Number(content.split(' ')[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return true;
  try {
    return Date.now() - statSync(file).mtimeMs > STALE_AFTER_MS;
  } catch {
    return false;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
