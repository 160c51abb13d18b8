import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** One line per step, on stderr: stdout belongs to the program that is run afterwards. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A problem that only the user can solve; its message says how. */
export class SetupError extends Error {}

/** Runs a step quietly; its output is shown only if it fails. */
export function quietly(command, args, { explain, ...options }) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (!error && status === 0) return;
  throw new SetupError(`${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}${explain}`);
}

/** Runs a program in place of this one: same terminal, same signals, and its exit code is returned. */
export async function handOver(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  // A terminal sends Ctrl-C to both processes; this one must outlive the child to report how it ended.
  const ignore = () => {};
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
    });
  } finally {
    process.off('SIGINT', ignore);
    process.off('SIGTERM', pass);
  }
}
