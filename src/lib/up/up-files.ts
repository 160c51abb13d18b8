import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { InferError } from '../core/errors.js';
import { type HeldLock, lockHolder, takeLock } from '../core/file-lock.js';
import { makePrivateDir } from '../core/private-dir.js';
import { stillRuns } from '../core/process-alive.js';
import { readJson, writeAtomically } from '../scale/worker-files.js';
import type { UpRecord } from './types.js';

/** The files of the `infer up` of this host, `<stateDir>/up/<host>`: there is one for a state directory. */
export class UpFiles {
  readonly dir: string;

  /** @throws InferError STATE_DIR (exit 77) when the directory is not exclusively ours. */
  constructor(stateDir: string) {
    const all = join(resolve(stateDir), 'up');
    this.dir = join(all, hostname());
    for (const dir of [all, this.dir]) makePrivateDir(dir, refused);
  }

  /** What an `infer up` in the background prints. */
  get log(): string {
    return join(this.dir, 'up.log');
  }

  get gatewayLog(): string {
    return join(this.dir, 'gateway.log');
  }

  private get lockFile(): string {
    return join(this.dir, 'up.lock');
  }

  private get recordFile(): string {
    return join(this.dir, 'up.json');
  }

  /** Held while it runs. @throws InferError UP_RUNNING (exit 69) */
  lock(): Promise<HeldLock> {
    return takeLock(this.lockFile, {
      waitMs: 0,
      purpose: 'infer up',
      busy: ({ pid }) => this.runningError(pid),
    });
  }

  /** The record of the `infer up` that runs; undefined if there is none, also after it was killed. */
  running(): UpRecord | undefined {
    const record = readJson<UpRecord>(this.recordFile);
    if (record?.process !== undefined && stillRuns(record.process)) return record;
    // It has the lock, and has not written its record yet.
    const holder = lockHolder(this.lockFile);
    return holder === undefined ? undefined : { process: holder, startedAt: holder.since, argv: [] };
  }

  runningError(pid: number): InferError {
    const url = readJson<UpRecord>(this.recordFile)?.ready?.url;
    const at = url === undefined ? '' : ` at ${url}`;
    return new InferError('UP_RUNNING', `infer up already runs here${at}: pid ${pid}`, {
      hint: 'infer down stops it; for a second one set another INFER_STATE_DIR, and pass --port',
    });
  }

  write(record: UpRecord): void {
    writeAtomically(this.recordFile, record);
  }

  /** The logs stay. */
  remove(): void {
    rmSync(this.recordFile, { force: true });
  }
}

function refused(dir: string, reason: string, fix?: string): InferError {
  return new InferError('STATE_DIR', `${dir} ${reason}, so the files of infer up are not safe there`, {
    hint: fix ?? 'choose another state directory with INFER_STATE_DIR',
  });
}
