import type { InferClient } from '../client/client.js';
import { rowsOf } from '../client/group-rows.js';
import { openResult } from '../client/render.js';
import type { GroupChunk, JobResult } from '../client/types.js';
import { InferError } from '../core/errors.js';
import { printable, terminalJson } from '../core/printable.js';
import { jsonOfRow } from '../model/row-text.js';
import { splitRows } from '../model/tensor.js';
import { openSink } from '../output/open-sink.js';
import type { Sink } from '../output/sink.js';
import { isNpy, npyPieces, refuseNpz } from './npy-output.js';
import { writeText } from './output/json.js';

type Chunks = AsyncIterable<GroupChunk> | Iterable<GroupChunk>;

/** How the rows of a group are read for an output. */
export function rowsFor(output: string | undefined): 'text' | 'payload' {
  return isNpy(output) ? 'payload' : 'text';
}

/** Writes the rows of one job. @throws InferError as `writeRows`; RESULT_EXPIRED when it has no result. */
export async function writeJob(
  client: InferClient,
  output: string,
  job: Pick<JobResult, 'id' | 'rows' | 'result' | 'failedRows'>,
  signal: AbortSignal,
): Promise<void> {
  const { id, rows, result, failedRows } = job;
  if (result === undefined) throw noResult(id);
  // A row's value may itself be a list: only `rows` tells how many there are.
  let values = rows === 1 ? [result] : (result as unknown[]);
  if (isNpy(output) && failedRows === undefined) {
    const found = await client.look(id, { signal });
    if (found.kind !== 'job' || found.stored === undefined) throw noResult(id);
    values = splitRows(openResult(found.stored).payload, new Array<number>(rows).fill(1));
  }
  const chunk = { index: 0, firstRow: 0, rows: values.length, values, ...(failedRows && { failedRows }) };
  await writeRows(output, [chunk], signal, rows);
}

/**
 * Writes one line of JSON per row, or an `.npy` file, in order and in pieces, so that memory stays flat. `-`
 * is standard output; `openSink` describes the handling of files, links, pipes and devices.
 * @param total number of rows, which the header of an `.npy` file contains
 * @throws InferError OUTPUT_FILE (exit 78) when it cannot be written; OUTPUT_FORM; the signal's reason.
 */
export async function writeRows(
  output: string,
  chunks: Chunks,
  signal: AbortSignal | undefined,
  total: number,
): Promise<number> {
  refuseNpz(output);
  if (output === '-') return writeLines(chunks, (text) => writeText(process.stdout, text), signal);
  let sink: Sink | undefined;
  try {
    sink = await openSink(output, { signal, standard: writeText });
    const { write, commit } = sink;
    const rows = isNpy(output)
      ? await writeArray(npyPieces(chunks, total), write, signal, total)
      : await writeLines(chunks, write, signal);
    await commit();
    return rows;
  } catch (error) {
    await sink?.discard();
    throw outputError(output, error);
  }
}

/** OUTPUT_FILE (78) for an error of the system; any other unchanged. */
export function outputError(output: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || error instanceof InferError || !(code in WHY || /^E[A-Z]+$/.test(code)))
    return error;
  return new InferError('OUTPUT_FILE', `cannot write ${printable(output)}: ${WHY[code] ?? code}`, {
    hint:
      HINT[code] ?? 'name a file in a directory that exists and may be written to, or - for standard output',
    cause: error,
  });
}

/** RESULT_EXPIRED (66): a job has completed, but its result no longer exists. */
function noResult(id: string): InferError {
  return new InferError('RESULT_EXPIRED', `the result of ${printable(id)} was not kept, or has expired`, {
    hint: 'submit it again; --result-ttl says how long a result is kept',
  });
}

const WHY: Record<string, string> = {
  EACCES: 'permission denied (EACCES)',
  EISDIR: 'it is a directory (EISDIR)',
  ENOENT: 'its directory does not exist (ENOENT)',
  ENOSPC: 'no space is left (ENOSPC)',
  EPIPE: 'its reader went away (EPIPE)',
};

const HINT: Record<string, string> = {
  EISDIR: 'name a file in it, such as results.ndjson',
  ENOSPC: 'free some space, or name a file elsewhere; the results are still there to fetch',
  EPIPE: 'check the program that reads it; the results are still there to fetch',
};

async function writeArray(
  pieces: AsyncIterable<Uint8Array>,
  write: Sink['write'],
  signal: AbortSignal | undefined,
  rows: number,
): Promise<number> {
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    await write(piece);
  }
  return rows;
}

async function writeLines(
  chunks: Chunks,
  write: (text: string) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<number> {
  let rows = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    const values = rowsOf(chunk);
    rows += values.length;
    // The target may be a terminal (`/dev/tty`) or be shown on one; for JSON it is the same text.
    if (values.length > 0) await write(terminalJson(`${values.map(jsonOfRow).join('\n')}\n`));
  }
  return rows;
}
