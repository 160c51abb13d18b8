import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** One line a step, on stderr: stdout belongs to what is run afterwards. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A problem only the user can solve; its message says how. */
export class SetupError extends Error {}

/** Runs a step quietly; what it printed is shown only if it fails. */
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

/** Runs a program in our place: same terminal, same signals, and its exit code is returned. */
export async function handOver(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  // A terminal sends Ctrl-C to both of us; we must outlive the child to report how it ended.
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
