import { spawn } from 'node:child_process';
import { answerWithin } from './bounded.js';

/** How a program ended, or why it did not. Output is cut at 1 MiB. */
export type ProgramEnd =
  | { kind: 'ended'; code: number | null; stdout: string; stderr: string }
  | { kind: 'absent' }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'silent' };

const MAX_OUTPUT = 1 << 20;

/** What programs are run with: this process' own environment unless given. */
export interface ProgramOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Runs a program of the PATH to its end, at most `timeoutMs`; then it and all that it started are
 * killed. Never throws: `nvidia-smi` on a machine whose driver hangs does not come back by itself.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { timeoutMs, env }: ProgramOptions,
): Promise<ProgramEnd> {
  const output = { stdout: '', stderr: '' };
  // In a process group of its own: a wrapper script's children would else keep the pipes open.
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
    // In a driver's uninterruptible sleep it outlives even its kill: it is not waited for.
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
    child.unref();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It ended at that very moment.
  }
}
