import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type ByteReader, type InputSource, tooLarge } from '../bytes.js';
import { ParquetFile } from './parquet-file.js';

export const PARQUET_MAGIC = Buffer.from('PAR1', 'latin1');
/** Most bytes of a copy: a little gzip data may become endless. */
const MOST_COPIED_BYTES = 64 * 1024 * 1024 * 1024;

/**
 * Opens a Parquet file, which is read from its end. What can only be read from its beginning (a pipe, gzip
 * data) is first copied to a private temporary file.
 * @param reader at the first byte; it is closed
 * @throws InferError INPUT_PARQUET, INPUT_TOO_LARGE (65)
 */
export async function openParquet(
  reader: ByteReader,
  source: InputSource,
): Promise<{ file: ParquetFile; close(): Promise<void> }> {
  if ('path' in source && reader.isWhole) {
    await reader.close();
    const file = await ParquetFile.open(source.path, reader.label);
    return { file, close: () => file.close() };
  }
  const folder = await mkdtemp(join(tmpdir(), 'infer-input-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, basename(reader.label));
    await copy(reader, path);
    const file = await ParquetFile.open(path, reader.label);
    return {
      file,
      close: async () => {
        await file.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    await reader.close();
  }
}

async function copy(reader: ByteReader, path: string): Promise<void> {
  const target = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      bytes += block.length;
      if (bytes > MOST_COPIED_BYTES) throw tooLarge(reader.label, MOST_COPIED_BYTES);
      await target.writeFile(block);
    }
  } finally {
    await target.close();
  }
}
