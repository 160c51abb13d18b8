import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type InputSource, openBytes } from './bytes.js';

/** A source that can be read several times, with what is to be called after the last. */
export interface Spooled {
  source: InputSource & { path: string };
  remove(): Promise<void>;
}

/**
 * Copies a source that can be read only once (standard input, a pipe) to a private temporary file; a regular
 * file is used as it is.
 * @throws InferError INPUT_* (66) as `openBytes`; the signal's reason.
 */
export async function spooled(source: InputSource, signal: AbortSignal): Promise<Spooled> {
  if ('path' in source) {
    const found = await stat(source.path).catch(() => undefined);
    // What does not exist is reported where it is opened.
    if (found === undefined || found.isFile() || found.isDirectory())
      return { source, remove: async () => undefined };
  }
  const folder = await mkdtemp(join(tmpdir(), 'infer-input-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const reader = await openBytes(source, signal);
    const path = join(folder, basename(reader.label));
    const copy = await open(path, 'wx', 0o600);
    try {
      for (let block = await reader.next(); block !== undefined; block = await reader.next())
        await copy.writeFile(block);
    } finally {
      await copy.close();
      await reader.close();
    }
    return { source: { path }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
