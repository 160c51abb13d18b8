import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { currentDir } from '../core/current-dir.js';
import { type InputSource, openBytes } from './bytes.js';
import type { FoundFiles } from './files/find-files.js';

/** A source that can be read several times, with what is to be called after the last. */
interface Spooled {
  source: InputSource & { path: string };
  remove(): Promise<void>;
}

/**
 * Copies a source that can be read only once (standard input, a pipe, an address) to a private temporary file; a regular
 * file is used as it is.
 * @throws InferError INPUT_* (66) as `openBytes`; the signal's reason.
 */
async function spooled(source: InputSource, signal: AbortSignal): Promise<Spooled> {
  const isFetched = 'fetch' in source;
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
    const path = join(folder, basename(reader.label) || 'input');
    const copy = await open(path, 'wx', 0o600);
    try {
      for (let block = await reader.next(); block !== undefined; block = await reader.next())
        await copy.writeFile(block);
    } finally {
      await copy.close();
      await reader.close();
    }
    return { source: { path, label: reader.label, base: currentDir(), isFetched }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * The same for the files of a command, one after the other. Several are looked at before the first is read.
 * @param read how often: a single one that is read once is left as it is
 * @throws InferError INPUT_*; the signal's reason. Nothing is left then.
 */
export async function spooledFiles(
  { files, several }: FoundFiles,
  signal: AbortSignal,
  read: 'once' | 'again',
): Promise<{ found: FoundFiles; remove(): Promise<void> }> {
  if (!several && read === 'once') return { found: { files, several }, remove: async () => undefined };
  const removes: Spooled['remove'][] = [];
  const remove = async () => void (await Promise.all(removes.map((one) => one())));
  try {
    const copies: FoundFiles['files'] = [];
    for (const file of files) {
      // Of several, only addresses are no files.
      const isHere = several && 'path' in file.source;
      const copy = isHere ? undefined : await spooled(file.source, signal);
      if (copy !== undefined) removes.push(copy.remove);
      copies.push({ ...file, source: copy?.source ?? file.source });
    }
    return { found: { files: copies, several }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
