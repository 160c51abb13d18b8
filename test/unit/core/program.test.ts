import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../../../src/lib/core/program.js';
import { lives } from '../../support/worker.js';

const MINUTE_MS = 60_000;

it('a program that exits yields its exit code and output', async () => {
  const args = ['-c', 'echo out; echo err >&2; exit 3'];
  expect(await runProgram('/bin/sh', args, { timeoutMs: MINUTE_MS })).toEqual({
    kind: 'ended',
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  });
});

it('a program that does not exist, or may not be executed, is reported as such', async () => {
  expect(await runProgram('/no/such/program', [], { timeoutMs: MINUTE_MS })).toEqual({ kind: 'absent' });
  expect(await runProgram('/', [], { timeoutMs: MINUTE_MS })).toEqual({
    kind: 'refused',
    code: 'EACCES',
    message: expect.stringContaining('EACCES'),
  });
});

it('a program that runs too long is killed, with all its children', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'infer-program-'));
  try {
    const file = join(dir, 'pid');
    const args = ['-c', `sleep 600 & echo $! > ${file}; wait`];
    expect(await runProgram('/bin/sh', args, { timeoutMs: 2000 })).toEqual({ kind: 'silent' });
    const pid = Number(readFileSync(file, 'utf8'));
    await expect.poll(() => lives(pid)).toBe(false);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('a program gets only the environment passed to it', async () => {
  const end = await runProgram('/bin/sh', ['-c', 'echo "$HOME$ONLY"'], {
    timeoutMs: MINUTE_MS,
    env: { PATH: process.env.PATH, ONLY: 'this' },
  });
  expect(end).toMatchObject({ stdout: 'this\n' });
});
