import type { InferClient } from '../client/client.js';
import type { JobResult } from '../client/types.js';
import type { JobPlace } from '../deployment/place/job-place.js';
import { placeLine } from './views/place-view.js';

/** A result, and of a job that has not started where it stands. */
export type PlacedResult = JobResult & Partial<JobPlace>;

/** Longest look at what is only said besides, ms. */
const LOOK_MS = 5000;

interface Speaker {
  note(text: string): void;
  warn(text: string): void;
}

/**
 * Says in one line why a job does not start at once: a warning where nothing of its queue does. What cannot be learned, of a
 * Redis user that may not look for one, is left out: the job itself is not concerned.
 */
export async function sayWait(client: InferClient, id: string, { note, warn }: Speaker): Promise<void> {
  const place = await client.place(id, { timeoutMs: LOOK_MS }).catch(() => undefined);
  const line = place && placeLine(place);
  if (line?.blocked === true) warn(line.text);
  else if (line !== undefined) note(line.text);
}

/** How a job stands now, and where; of a Redis user that may not look for that, how it stands. */
export async function placedResult(
  client: InferClient,
  id: string,
  signal: AbortSignal,
): Promise<PlacedResult> {
  const result = await client.result(id, { signal });
  if (result.state !== 'waiting' && result.state !== 'delayed') return result;
  return { ...result, ...(await client.place(id, { signal }).catch(() => undefined)) };
}
