import { createWriteStream } from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import type { GroupChunk } from '../client/types.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { printable } from '../core/job.js';
import { writeText } from './output/json.js';

/**
 * Writes one line of JSON per row, in order, a chunk at a time: memory stays flat. A file is
 * complete or not there: it is written beside its place and renamed.
 * @throws InferError OUTPUT_FILE (exit 78) when it cannot be written.
 */
export async function writeRows(
  output: string,
  chunks: AsyncIterable<GroupChunk> | Iterable<GroupChunk>,
): Promise<number> {
  if (output === '-') return writeLines(chunks, (text) => writeText(process.stdout, text));
  const partial = `${output}.part-${process.pid}`;
  const stream = createWriteStream(partial, { flags: 'wx' });
  const done = finished(stream);
  done.catch(() => undefined);
  try {
    const rows = await writeLines(chunks, (text) => writeText(stream, text));
    stream.end();
    await done;
    await rename(partial, output);
    return rows;
  } catch (error) {
    stream.destroy();
    await unlink(partial).catch(() => undefined);
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code !== 'string' || error instanceof InferError) throw error;
    throw new InferError('OUTPUT_FILE', `cannot write ${printable(output)} (${code})`, {
      hint: 'name a file in a directory that exists and may be written to, or - for standard output',
      exitCode: ExitCode.BadConfig,
    });
  }
}

async function writeLines(
  chunks: AsyncIterable<GroupChunk> | Iterable<GroupChunk>,
  write: (text: string) => Promise<void>,
): Promise<number> {
  let rows = 0;
  for await (const chunk of chunks) {
    const values = chunk.values ?? Array.from({ length: chunk.rows }, () => ({ error: chunk.error }));
    rows += values.length;
    if (values.length > 0) await write(`${values.map((value) => JSON.stringify(value)).join('\n')}\n`);
  }
  return rows;
}
