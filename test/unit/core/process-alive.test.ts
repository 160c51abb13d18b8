import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  birthOf,
  isAlive,
  markOf,
  processPlace,
  stillRuns,
  untilExited,
} from '../../../src/lib/core/process-alive.js';

/** No process has this id: it is above the kernel's limit of 2^22. */
const NO_PID = 2 ** 22 + 1;

/** A process that has exited but was not reaped, because its parent is stopped. */
async function withZombie(check: (pid: number) => void | Promise<void>): Promise<void> {
  const parent = spawn('sh', ['-c', 'sh -c "exit 0" & echo $!; kill -STOP $$'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [text] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(text.toString());
    const state = () => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
    await expect.poll(state).toBe('Z');
    await check(pid);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
}

describe('a process', () => {
  it('is recognised by its boot and start', () => {
    const own = birthOf(process.pid);
    expect(own).toMatch(/^[0-9a-f]{8}-\d+$/);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
    expect(own?.startsWith(`${boot.slice(0, 8)}-`)).toBe(true);
    expect(birthOf(process.pid)).toBe(own);
    expect(birthOf(process.ppid)).not.toBe(own);
    expect(markOf(process.pid)).toEqual({ pid: process.pid, birth: own });
    expect(stillRuns({ pid: process.pid, birth: own })).toBe(true);
    expect(stillRuns({ pid: process.pid, birth: 'another' })).toBe(false);
    expect(stillRuns({ pid: process.pid })).toBe(true);
  });

  it('is identified by pid and birth, and never taken for a later one with the same pid', async () => {
    const child = spawn('sleep', ['30']);
    const mark = markOf(child.pid as number);
    expect(mark.birth).toBe(birthOf(child.pid as number));
    expect(stillRuns(mark)).toBe(true);
    expect(stillRuns({ ...mark, birth: 'other-1' })).toBe(false);
    expect(stillRuns({ pid: mark.pid })).toBe(true);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect([stillRuns(mark), isAlive(mark.pid), birthOf(mark.pid)]).toEqual([false, false, undefined]);
  });

  it('that does not exist is not alive, and has no birth', () => {
    expect([isAlive(NO_PID), birthOf(NO_PID), stillRuns({ pid: NO_PID })]).toEqual([false, undefined, false]);
    expect(Object.keys(markOf(NO_PID))).toEqual(['pid']);
  });

  it('that has exited but was not reaped is not alive', () =>
    withZombie((pid) => {
      expect([isAlive(pid), birthOf(pid)]).toEqual([false, undefined]);
      expect(Object.keys(markOf(pid))).toEqual(['pid']);
    }));

  it('has a place: its host, and the container within it', () => {
    expect(processPlace()).toBe(`${hostname()}/${readlinkSync('/proc/self/ns/pid')}`);
  });
});

describe('waiting for an exit', () => {
  it('returns true when it has exited, and false when the time is up', async () => {
    let looks = 0;
    expect(await untilExited(() => ++looks < 3, 60_000)).toBe(true);
    expect(looks).toBe(3);
    expect(await untilExited(() => true, 30)).toBe(false);
    expect(await untilExited(() => false, 0)).toBe(true);
  });
});
