import type { FastifyReply } from 'fastify';

/** How long a job took, from its result; for a group only the total is known. Milliseconds. */
interface JobTiming {
  queueMs?: number;
  runMs?: number | null;
  totalMs: number;
}

/**
 * Value of the header `Server-Timing` for a response with a job: `queue` until its run began, `run` in the
 * model, `total` from submit to end, in milliseconds. Undefined for a job that has not run.
 */
export function serverTiming(timing: JobTiming | null | undefined): string | undefined {
  if (timing === null || timing === undefined) return undefined;
  const { queueMs, runMs, totalMs } = timing;
  const parts = [
    ['queue', queueMs],
    ['run', runMs],
    ['total', totalMs],
  ] as const;
  return parts
    .flatMap(([name, ms]) =>
      ms === null || ms === undefined ? [] : [`${name};dur=${Math.round(ms * 1000) / 1000}`],
    )
    .join(', ');
}

/** Says in the answer how long its job took, where that is known. */
export function tellTiming(reply: FastifyReply, timing: JobTiming | null | undefined): void {
  const text = serverTiming(timing);
  if (text !== undefined) reply.header('server-timing', text);
}
