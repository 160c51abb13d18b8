import type { InferClient } from '../client/client.js';
import { sendInput } from '../client/send-input.js';
import type { SubmitOptions, SubmittedGroup } from '../client/types.js';
import type { Input } from '../input/read.js';
import type { ModelSignature } from '../model/signature.js';
import type { GroupRecord } from '../queue/types.js';
import { ProgressBar, type ProgressTarget } from './output/progress.js';

/** Submits chunks as a group with a bar of the rows queued; see `sendInput`. */
export async function submitGroup(
  client: InferClient,
  signature: ModelSignature,
  input: Input & { kind: 'many' },
  options: { submit: SubmitOptions; target: ProgressTarget; signal: AbortSignal; note(text: string): void },
): Promise<SubmittedGroup> {
  const { submit, target, signal, note } = options;
  const bar = new ProgressBar(target, { label: 'submitting', unit: 'rows', total: input.rows });
  try {
    return await sendInput(client, signature, input, {
      submit,
      signal,
      onRows: (rows) => bar.add(rows),
      onTakenBack: (rows) => note(`the ${rows} rows sent before this were cancelled`),
    });
  } finally {
    bar.finish();
  }
}

/** Shows a bar of a group's completed rows during a wait. */
export async function withRowsBar<T>(
  target: ProgressTarget,
  wait: (onProgress: (group: GroupRecord) => void) => Promise<T>,
): Promise<T> {
  const bar = new ProgressBar(target, { label: 'running', unit: 'rows', joins: true });
  try {
    return await wait((group) => {
      if (group.closed) bar.setTotal(group.rows);
      bar.set(group.rowsDone);
    });
  } finally {
    bar.finish();
  }
}

/** Waits for a group with a bar of its completed rows. */
export function waitForGroup(
  client: InferClient,
  id: string,
  options: { target: ProgressTarget; timeoutMs: number | undefined; signal: AbortSignal },
): Promise<GroupRecord> {
  const { target, ...how } = options;
  return withRowsBar(target, (onProgress) => client.waitGroup(id, { ...how, onProgress }));
}
