import { spawn } from 'node:child_process';

/** How a program ended, or why it did not. Output is cut at 64 KiB. */
export type CommandEnd =
  | { kind: 'ended'; code: number | null; stdout: string; stderr: string }
  | { kind: 'absent' }
  | { kind: 'refused'; code: string }
  | { kind: 'silent' };

const MAX_OUTPUT = 64 * 1024;

/** What programs are run with: this process' own environment unless given. */
export interface CommandOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Runs a program of the PATH to its end, at most `timeoutMs`; then it and all that it started are
 * killed. Never throws: `nvidia-smi` on a machine whose driver hangs does not come back by itself.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  { timeoutMs, env }: CommandOptions,
): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const output = { stdout: '', stderr: '' };
    // In a process group of its own: a wrapper script's children would else keep the pipes open.
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
      ...(env === undefined ? {} : { env }),
    });
    const finish = (end: CommandEnd): void => {
      clearTimeout(timer);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      child.unref();
      resolve(end);
    };
    const timer = setTimeout(() => {
      killGroup(child.pid);
      finish({ kind: 'silent' });
    }, timeoutMs);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] = (output[name] + text).slice(0, MAX_OUTPUT);
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      finish(
        error.code === 'ENOENT' ? { kind: 'absent' } : { kind: 'refused', code: error.code ?? 'unknown' },
      );
    });
    child.once('close', (code) => finish({ kind: 'ended', code, ...output }));
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It ended at that very moment.
  }
}
