import { spawn } from 'node:child_process';
import { answerWithin } from './bounded.js';

/** How a program ended, or why it could not run. Output is truncated at 1 MiB. */
export type ProgramEnd =
  | { kind: 'ended'; code: number | null; stdout: string; stderr: string }
  | { kind: 'absent' }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'silent' };

const MAX_OUTPUT = 1 << 20;

/** Options for running a program; default environment: that of this process. */
export interface ProgramOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Runs a program from the PATH to its end, for at most `timeoutMs`; then it and everything it started is
 * killed. Never throws. The limit is needed because `nvidia-smi` never returns on a machine whose driver
 * hangs.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { timeoutMs, env }: ProgramOptions,
): Promise<ProgramEnd> {
  const output = { stdout: '', stderr: '' };
  // In its own process group: otherwise a wrapper script's children would keep the pipes open.
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsHide: true,
    ...(env === undefined ? {} : { env }),
  });
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(0, MAX_OUTPUT);
    });
  }
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once('error', ({ code = 'unknown', message }: NodeJS.ErrnoException) => {
      resolve(code === 'ENOENT' ? { kind: 'absent' } : { kind: 'refused', code, message });
    });
    child.once('close', (code) => resolve({ kind: 'ended', code, ...output }));
  });
  try {
    return await answerWithin<ProgramEnd, ProgramEnd>(timeoutMs, ended, () => {
      killGroup(child.pid);
      return { kind: 'silent' };
    });
  } finally {
    // In a driver's uninterruptible sleep it survives even SIGKILL: do not wait for it.
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
    child.unref();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It exited at this very moment.
  }
}
