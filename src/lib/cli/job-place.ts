import type { InferClient } from '../client/client.js';
import type { JobResult } from '../client/types.js';
import type { JobPlace } from '../deployment/place/job-place.js';
import { placeLine } from './views/place-view.js';

/** A result, with position, ETA and reason if the job has not started. */
export type PlacedResult = JobResult & Partial<JobPlace>;

/** Time limit for additional information, ms. */
const LOOK_MS = 5000;

interface Speaker {
  note(text: string): void;
  warn(text: string): void;
}

/**
 * Says in one line why a job does not start immediately, as a warning if its queue is blocked. If that cannot
 * be read, for instance without the right to, nothing is said: the job itself is not affected.
 */
export async function sayWait(client: InferClient, id: string, { note, warn }: Speaker): Promise<void> {
  const place = await client.place(id, { timeoutMs: LOOK_MS }).catch(() => undefined);
  const line = place && placeLine(place);
  if (line?.blocked === true) warn(line.text);
  else if (line !== undefined) note(line.text);
}

/** State of a job, with position, ETA and reason if the Redis user may read them. */
export async function placedResult(
  client: InferClient,
  id: string,
  signal: AbortSignal,
): Promise<PlacedResult> {
  const result = await client.result(id, { signal });
  if (result.state !== 'waiting' && result.state !== 'delayed') return result;
  return { ...result, ...(await client.place(id, { signal }).catch(() => undefined)) };
}
