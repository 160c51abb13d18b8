import { InferError } from '../core/errors.js';
import type { Input } from '../input/read.js';
import type { ModelSignature } from '../model/signature.js';
import type { InferClient } from './client.js';
import type { SubmitOptions, SubmittedGroup } from './types.js';

/** How rows on their way are sent. */
export interface SendOptions {
  submit: SubmitOptions;
  signal: AbortSignal;
  /** So many more rows are in the queue. */
  onRows(rows: number): void;
  /** What was sent before a failure that has no sentence of its own was taken back. */
  onTakenBack(rows: number): void;
  /** Digest of the rows as they came, asked for when all have come; kept with the group. */
  content?: (() => string) | undefined;
}

/**
 * Submits chunks as a group as they are read. What was queued before a bad row (or a signal) is
 * cancelled, so that a corrected file can be sent whole.
 * @throws InferError of the input or the broker, with what became of the rows sent before; the signal's reason.
 */
export async function sendInput(
  client: InferClient,
  signature: ModelSignature,
  input: Input & { kind: 'many' },
  options: SendOptions,
): Promise<SubmittedGroup> {
  const opening = client.openGroup(signature, { ...options.submit, signal: options.signal });
  const writer = await opening.catch(async (error: unknown) => {
    await input.close();
    throw error;
  });
  if (writer.isDuplicate) {
    await input.close();
    return client.duplicateGroup(options.submit.id ?? '');
  }
  try {
    for await (const chunk of input.chunks) {
      options.signal.throwIfAborted();
      await writer.write(chunk);
      options.onRows(chunk.rows);
    }
    return await writer.close(options.content?.());
  } catch (error) {
    // Whatever stops this too is less telling than what stopped the submit.
    const takenBack = await writer.abandon().catch(() => false);
    const rows = writer.rowsWritten;
    if (!takenBack || rows === 0) throw error;
    if (error instanceof InferError) throw withTakenBack(error, rows);
    options.onTakenBack(rows);
    throw error;
  }
}

/** What stopped a submit, with what became of the rows that went in before. */
function withTakenBack(error: InferError, rows: number): InferError {
  return error.reworded(`${error.message}; the ${rows} rows sent before that were cancelled`);
}
