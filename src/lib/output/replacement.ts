import { randomUUID } from 'node:crypto';
import { type Stats, unlinkSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Sink } from './sink.js';

/** File systems allow names of 255 bytes; what is added here is shorter than the remainder. */
const NAME_MAX_BYTES = 200;
const NEW_MODE = 0o666;
/** Signals that end a process without a listener; SIGINT and SIGTERM are handled by every command. */
const DEADLY = ['SIGHUP', 'SIGQUIT'] as const;

/**
 * A file that replaces `target` when it is complete. Until then it is next to it, with no more permissions
 * than the file it replaces (`old`), and is removed if the process ends before: by a failure, a signal, a
 * second Ctrl-C.
 */
export async function openReplacement(target: string, old: Stats | undefined): Promise<Sink> {
  const partial = join(dirname(target), `${cut(basename(target))}.part-${randomUUID()}`);
  const mode = old === undefined ? NEW_MODE : old.mode & 0o777;
  const handle = await open(partial, 'wx', mode);
  const stopGuarding = guard(partial);
  const remove = async () => {
    await handle.close().catch(() => undefined);
    await unlink(partial).catch(() => undefined);
    stopGuarding();
  };
  return {
    partial,
    write: (data) => handle.writeFile(data),
    discard: remove,
    commit: async () => {
      try {
        if (old !== undefined) {
          const now = await handle.stat();
          if (now.uid !== old.uid || now.gid !== old.gid) await handle.chown(old.uid, old.gid);
          // After setting the owner, which clears set-id bits, and independent of the umask.
          await handle.chmod(old.mode & 0o7777);
        }
        await handle.sync();
        await handle.close();
        await rename(partial, target);
        stopGuarding();
      } catch (error) {
        await remove();
        throw error;
      }
    },
  };
}

/** Whether a file is what an earlier process left of a replacement of `target`. */
export function isPartialOf(target: string, file: string): boolean {
  const [name, id] = basename(file).split('.part-');
  return (
    dirname(file) === dirname(target) && name === cut(basename(target)) && /^[0-9a-f-]{36}$/.test(id ?? '')
  );
}

function cut(name: string): string {
  const bytes = Buffer.from(name);
  return bytes.length <= NAME_MAX_BYTES
    ? name
    : bytes.subarray(0, NAME_MAX_BYTES).toString('utf8').replace(/�+$/, '');
}

/** Removes a file when the process ends; returns a function that cancels this. */
function guard(file: string): () => void {
  const remove = () => {
    try {
      unlinkSync(file);
    } catch {
      // It has its final name already, or never existed.
    }
  };
  const listeners = DEADLY.map((signal) => {
    const listener = () => {
      // Another listener handles it, and ends the process or the work.
      if (process.listenerCount(signal) > 1) return;
      remove();
      process.off(signal, listener);
      process.kill(process.pid, signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  process.on('exit', remove);
  return () => {
    process.off('exit', remove);
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}
