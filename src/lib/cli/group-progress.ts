import type { InferClient } from '../client/client.js';
import type { SubmitOptions, SubmittedGroup } from '../client/types.js';
import { InferError } from '../core/errors.js';
import type { Input } from '../input/read.js';
import type { ModelSignature } from '../model/signature.js';
import type { GroupRecord } from '../queue/types.js';
import { ProgressBar, type ProgressTarget } from './output/progress.js';

export { failedRowsText } from './group-rows.js';

/**
 * Submits chunks as a group with a bar of the rows queued. What was queued before a bad row (or a
 * signal) is cancelled, so that a corrected file can be sent whole.
 */
export async function submitGroup(
  client: InferClient,
  signature: ModelSignature,
  input: Input & { kind: 'many' },
  options: { submit: SubmitOptions; target: ProgressTarget; signal: AbortSignal; note(text: string): void },
): Promise<SubmittedGroup> {
  const bar = new ProgressBar(options.target, { label: 'submitting', unit: 'rows', total: input.rows });
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
      bar.add(chunk.rows);
    }
    return await writer.close();
  } catch (error) {
    // Whatever stops this too is less telling than what stopped the submit.
    const takenBack = await writer.abandon().catch(() => false);
    const rows = writer.rowsWritten;
    if (!takenBack || rows === 0) throw error;
    if (error instanceof InferError) throw withTakenBack(error, rows);
    options.note(`the ${rows} rows sent before this were cancelled`);
    throw error;
  } finally {
    bar.finish();
  }
}

/** What stopped a submit, with what became of the rows that went in before. */
function withTakenBack(error: InferError, rows: number): InferError {
  return error.reworded(`${error.message}; the ${rows} rows sent before that were cancelled`);
}

/** Waits for a group with a bar of the rows done. */
export async function waitForGroup(
  client: InferClient,
  id: string,
  options: { target: ProgressTarget; timeoutMs: number | undefined; signal: AbortSignal },
): Promise<GroupRecord> {
  const bar = new ProgressBar(options.target, { label: 'running', unit: 'rows', joins: true });
  try {
    return await client.waitGroup(id, {
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      onProgress: (group) => {
        if (group.closed) bar.setTotal(group.rows);
        bar.set(group.rowsDone);
      },
    });
  } finally {
    bar.finish();
  }
}
