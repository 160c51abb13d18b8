import type { JobState } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { numberOr } from '../../redis/wrong-type.js';
import { bullBase } from '../keys.js';
import { JOB } from '../wire.js';
import { JOB_STATES } from './job-filter.js';

/** State of a job that may change while someone waits for it. */
export interface Glance {
  state: JobState;
  /** How often it was taken. */
  attempts: number;
  /** For a waiting job: jobs of its queue before it, including those of models that no worker serves. */
  ahead?: number;
}

/** Maximum jobs per round trip. */
const AT_ONCE = 500;

/**
 * The state of jobs of one queue, in their order; undefined for those that do not exist. Costs one command
 * for each job that still waits and three for others, in one or two round trips per 500 jobs.
 * @param jobs with what is known of each: `waits` if it was waiting at the last look
 */
export async function glanceAt(
  client: RedisClient,
  prefix: string,
  queue: string,
  jobs: readonly { id: string; waits: boolean }[],
): Promise<(Glance | undefined)[]> {
  const found: (Glance | undefined)[] = [];
  for (let from = 0; from < jobs.length; from += AT_ONCE) {
    found.push(...(await glanceAtSome(client, bullBase(prefix, queue), jobs.slice(from, from + AT_ONCE))));
  }
  return found;
}

async function glanceAtSome(
  client: RedisClient,
  base: string,
  jobs: readonly { id: string; waits: boolean }[],
): Promise<(Glance | undefined)[]> {
  const ranks = await answers(
    client,
    jobs.map(({ id }) => ['zrank', `${base}prioritized`, id]),
  );
  const fields = await answers(
    client,
    jobs.map(({ id, waits }, i) =>
      waits && ranks[i] !== null
        ? undefined
        : ['hmget', base + id, JOB.state, 'processedOn', JOB.attemptsStarted, 'timestamp', 'finishedOn'],
    ),
  );
  const delayed = await answers(
    client,
    jobs.map(({ id }, i) => (isOpen(fields[i], ranks[i]) ? ['zscore', `${base}delayed`, id] : undefined)),
  );
  return jobs.map((_, i) => glanceOf(ranks[i], fields[i], delayed[i]));
}

type Fields = readonly (string | null)[];

/** It has not ended according to its fields, and is not in `prioritized`. */
function isOpen(fields: unknown, rank: unknown): boolean {
  const [state, , , timestamp] = (fields ?? []) as Fields;
  return rank === null && (state ?? null) === null && (timestamp ?? null) !== null;
}

function glanceOf(rank: unknown, fields: unknown, delayed: unknown): Glance | undefined {
  const ahead = typeof rank === 'number' ? { ahead: rank } : {};
  if (fields === undefined) return { state: 'waiting', attempts: 0, ...ahead };
  const [ended, startedAt, taken, timestamp, finishedAt] = fields as Fields;
  if ((ended ?? null) === null && (timestamp ?? null) === null) return undefined;
  const attempts = numberOr(taken ?? undefined, 0);
  const state = JOB_STATES.find((one) => one === ended);
  if (state !== undefined) return { state, attempts };
  if (typeof rank === 'number') return { state: 'waiting', attempts, ...ahead };
  if (typeof delayed === 'string') return { state: 'delayed', attempts };
  // A stock BullMQ worker ended it: only its lists say how, and a reader of the job sees that.
  if (finishedAt) return { state: 'completed', attempts };
  return { state: startedAt ? 'active' : 'waiting', attempts };
}

/**
 * Replies to commands of one slot, sent together; undefined where no command was sent, null for a refused
 * one.
 */
async function answers(client: RedisClient, commands: readonly (string[] | undefined)[]): Promise<unknown[]> {
  const sent = commands.filter((command) => command !== undefined);
  if (sent.length === 0) return commands.map(() => undefined);
  const replies = (await client.pipeline(sent).exec()) ?? [];
  let next = 0;
  return commands.map((command) => {
    if (command === undefined) return undefined;
    const [error, reply] = replies[next++] ?? [new Error('no reply'), null];
    if (error === null) return reply;
    // A key of another type counts as empty, and so does one that this user may not read.
    if (/^(?:NOPERM|WRONGTYPE)/.test(error.message)) return null;
    throw error;
  });
}
