import type { JobTrace } from '../../core/job-trace.js';
import { emptyInput, readJobData } from '../job-data.js';
import type { DataLayout } from '../layout.js';
import { routeOf } from '../routes.js';
import type { TakenJob, TakenSpec } from '../types.js';
import { DEFAULT_TTL, TAKE_HEAD, TAKE_REPLY } from '../wire.js';

type Replied = Buffer | number | null;
export type TakeReply = Replied[];
type RepliedJob<Names extends readonly string[]> = { [Place in keyof Names]: Replied };

/** What a take brought, and what it left. */
export interface Taken {
  jobs: TakenJob[];
  /** When the next delayed job is due, ms since the epoch; 0 if there is none, or it does not matter. */
  nextDelayedAt: number;
  /** Jobs of its routes wait, or were not looked at; and whether for lack of room. */
  more: boolean;
  full: boolean;
}

/**
 * Reads the reply of the take script.
 * @param about.routes that the take asked for; undefined for all
 * @param about.trace the points of a traced job so far
 */
export function readTake(
  reply: TakeReply,
  about: {
    queue: string;
    token: string;
    routes: ReadonlySet<string> | undefined;
    layouts: readonly DataLayout[] | undefined;
    now: number;
    trace: () => JobTrace;
  },
): Taken {
  const { queue, token, routes, layouts, now, trace } = about;
  const jobs: TakenJob[] = [];
  for (let at = TAKE_HEAD; at < reply.length; at += TAKE_REPLY.length) {
    const [id, data, timestamp, attemptsStarted, attemptsMade, stalls, ownInput] = repliedJob(reply, at);
    const read = readJobData(String(data), String(id), queue, layouts);
    const { spec = foreignSpec(String(id), queue) } = read;
    const isEmpty = read.input === undefined && Buffer.isBuffer(ownInput) && ownInput.length === 0;
    const unrunnable = read.unrunnable ?? (isEmpty ? emptyInput() : undefined);
    jobs.push({
      spec,
      token,
      routed: read.spec !== undefined && routes?.has(routeOf(read.spec)) === true,
      // A job with lost or foreign input reaches the worker with an empty one; the worker fails it with the
      // right error.
      input: read.input ?? (Buffer.isBuffer(ownInput) ? ownInput : Buffer.alloc(0)),
      submittedAt: Number(String(timestamp)),
      takenAt: now,
      attempt: Number(attemptsStarted),
      failures: Number(String(attemptsMade)),
      stalls: Number(String(stalls)),
      ...(unrunnable === undefined ? {} : { unrunnable }),
      ...(spec.trace === true ? { trace: trace() } : {}),
    });
  }
  return { jobs, nextDelayedAt: Number(reply[0]), more: reply[1] !== 0, full: reply[1] === 2 };
}

/** What a take returned for one job, named as in `TAKE_REPLY`. */
function repliedJob(reply: TakeReply, at: number): RepliedJob<typeof TAKE_REPLY> {
  return reply.slice(at, at + TAKE_REPLY.length) as unknown as RepliedJob<typeof TAKE_REPLY>;
}

/** A job added by other BullMQ code, which is `unrunnable`: enough to fail it with a clear reason. */
function foreignSpec(id: string, queue: string): TakenSpec {
  return { id, queue, model: undefined, rows: 1, priority: 0, resultTtl: DEFAULT_TTL };
}
