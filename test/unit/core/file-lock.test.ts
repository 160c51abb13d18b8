import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder, takeLock } from '../../../src/lib/core/file-lock.js';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-lock-'));
  file = join(dir, 'lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const busy = ({ pid, purpose }: { pid: number; purpose?: string | undefined }) =>
  new Error(`held by ${pid} for ${purpose}`);
const endedPid = () => spawnSync('true').pid as number;

describe('a lock file', () => {
  it('that exists but cannot be read is an error, not an endless wait', async () => {
    mkdirSync(file);
    await expect(takeLock(file, { waitMs: 5000, busy })).rejects.toMatchObject({ code: 'STATE_DIR_FAILED' });
  });

  it('has one holder: others get its name, or wait', async () => {
    const lock = await takeLock(file, { waitMs: 0, purpose: 'testing', busy });
    expect(lockHolder(file)).toMatchObject({ pid: process.pid, purpose: 'testing' });
    await expect(takeLock(file, { waitMs: 50, busy })).rejects.toThrow(`held by ${process.pid} for testing`);
    const waiting = takeLock(file, { waitMs: 5000, busy });
    lock.release();
    (await waiting).release();
    expect(readdirSync(dir)).toEqual([]);
    expect(lockHolder(file)).toBeUndefined();
  });

  it.each([
    ['of a process that has ended', () => JSON.stringify({ pid: endedPid(), since: 1 })],
    // Our process is alive, but did not take it: its id was reused.
    ['whose process id belongs to a later process', () => JSON.stringify({ pid: process.pid, birth: 'x-1' })],
    ['that is no lock of ours', () => '123 token'],
    ['that is empty', () => ''],
  ])('%s is taken over', async (_, content) => {
    writeFileSync(file, content());
    expect(lockHolder(file)).toBeUndefined();
    const lock = await takeLock(file, { waitMs: 0, busy });
    expect(lockHolder(file)).toMatchObject({ pid: process.pid });
    lock.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('left behind is taken over by exactly one of many', async () => {
    writeFileSync(file, JSON.stringify({ pid: endedPid(), since: 1 }));
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, () => takeLock(file, { waitMs: 0, busy })),
    );
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });

  it('notices when it was replaced, and does not delete the new one', async () => {
    const lock = await takeLock(file, { waitMs: 0, busy });
    expect(lock.stillHeld()).toBe(true);
    writeFileSync(file, 'somebody else');
    expect(lock.stillHeld()).toBe(false);
    lock.release();
    expect(readFileSync(file, 'utf8')).toBe('somebody else');
  });
});
