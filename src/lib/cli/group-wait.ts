import type { InferClient } from '../client/client.js';
import type { GroupRecord } from '../queue/broker.js';
import { ProgressBar, type ProgressTarget } from './output/progress.js';

/** Waits for a group with a bar of the rows done. */
export async function waitForGroup(
  client: InferClient,
  id: string,
  options: { target: ProgressTarget; timeoutMs: number | undefined; signal: AbortSignal },
): Promise<GroupRecord> {
  const bar = new ProgressBar(options.target, { label: 'running', unit: 'rows' });
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
