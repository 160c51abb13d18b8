import { InferError } from '../core/errors.js';
import type { Input } from '../input/read.js';
import type { ModelSignature } from '../model/signature.js';
import type { InferClient } from './client.js';
import type { SubmitOptions, SubmittedGroup } from './types.js';

/** How rows are sent as they arrive. */
export interface SendOptions {
  submit: SubmitOptions;
  signal: AbortSignal;
  /** Called with the id of the group when it exists, before its first row. */
  onOpened?: ((group: string) => void) | undefined;
  /** Called with the number of additional rows in the queue. */
  onRows(rows: number): void;
  /** Called when rows sent before a failure without a message of its own were cancelled. */
  onTakenBack(rows: number): void;
  /**
   * Whether what was sent stays queued after this error (or the signal's reason), so that the rows can be sent
   * again under the group's id to complete it [never: it is cancelled].
   */
  keepsOn?: ((error: unknown) => boolean) | undefined;
  /** Digest of all rows, called after the last one; stored with the group. */
  content?: (() => string) | undefined;
}

/**
 * Submits chunks as a group as they are read. Rows queued before a bad row (or a signal) are cancelled, so
 * that a corrected file can be sent as a whole.
 * @throws InferError of the input or the broker, saying what happened to the rows sent before; the signal's
 *   reason.
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
  options.onOpened?.(writer.group);
  try {
    for await (const chunk of input.chunks) {
      options.signal.throwIfAborted();
      await writer.write(chunk);
      options.onRows(chunk.rows);
    }
    return await writer.close(options.content?.());
  } catch (error) {
    if (options.keepsOn?.(error) === true) {
      await writer.stop();
      throw error;
    }
    // An error here is less telling than what stopped the submit.
    const takenBack = await writer.abandon().catch(() => false);
    const rows = writer.rowsWritten;
    if (!takenBack || rows === 0) throw error;
    if (error instanceof InferError) throw withTakenBack(error, rows);
    options.onTakenBack(rows);
    throw error;
  }
}

/** The error that stopped a submit, extended by what happened to the rows sent before. */
function withTakenBack(error: InferError, rows: number): InferError {
  return error.reworded(`${error.message}; the ${rows} rows sent before that were cancelled`);
}
