import type { Redis } from 'ioredis';
import { bullBase, cancelledKey, expiredKey, queueTag } from '../../src/lib/queue/keys.js';
import { lowTide, type Series } from './verdict.js';

/** One row of the table: what was seen in one period. NaN where it could not be read. */
export interface Row {
  /** End of the period, minutes since the first. */
  minute: number;
  /** Jobs that ended in a second. */
  rate: number;
  /** Of an awaited job, from submit to answer, ms; the slower of the clients. */
  p50: number;
  p99: number;
  /** Jobs waiting, delayed or active at the end. */
  unended: number;
  /** Keys in Redis, and those of them without a TTL. */
  keys: number;
  permanent: number;
  /** Entries of the indexes of jobs that have ended. */
  entries: number;
  /** MB used by Redis. */
  redis: number;
  /** Resident memory of processes by name, MB; median of the period. */
  memory: Record<string, number>;
}

export interface RedisSample {
  keys: number;
  permanent: number;
  unended: number;
  entries: number;
  redis: number;
}

/** One reading of Redis, at the same cost for any amount of data. */
export async function lookAt(redis: Redis, prefix: string, queues: readonly string[]): Promise<RedisSample> {
  const info = await redis.info();
  const [, keys = 0, expires = 0] = (/db0:keys=(\d+),expires=(\d+)/.exec(info) ?? []).map(Number);
  let unended = 0;
  let entries = 0;
  for (const queue of queues) {
    const [base, tag] = [bullBase(prefix, queue), queueTag(prefix, queue)];
    for (const list of ['wait', 'active']) unended += await redis.llen(base + list);
    for (const set of ['prioritized', 'delayed']) unended += await redis.zcard(base + set);
    for (const set of [`${base}completed`, `${base}failed`, expiredKey(tag), cancelledKey(tag)]) {
      entries += await redis.zcard(set);
    }
  }
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1]) / (1024 * 1024);
  return { keys, permanent: keys - expires, unended, entries, redis: used };
}

/**
 * The figures that must be flat. A leak of 100 bytes a job is 34 MB in the second half of an hour at 200 jobs/s. Memory
 * of Node.js processes may still vary by some MB, since V8 sizes its heap freely.
 */
export function seriesOf(rows: readonly Row[]): Series[] {
  const of = (
    name: string,
    unit: Series['unit'],
    share: number,
    least: number,
    values: readonly number[],
  ): Series => ({ name, unit, values, tolerance: { share, least } });
  const all = (value: (row: Row) => number) => rows.map(value);
  const names = Object.keys(rows.at(-1)?.memory ?? {});
  const memory = (name: string) => lowTide(all((row) => row.memory[name] ?? Number.NaN));
  return [
    ...names.map((name) => of(name, 'MB', 0.05, 10, memory(name))),
    of(
      'Redis memory',
      'MB',
      0.05,
      4,
      all(({ redis }) => redis),
    ),
    of(
      'keys',
      '',
      0.05,
      1000,
      all(({ keys }) => keys),
    ),
    of(
      'keys without TTL',
      '',
      0.05,
      300,
      all(({ permanent }) => permanent),
    ),
    of(
      'index entries',
      '',
      0.05,
      1000,
      all(({ entries }) => entries),
    ),
    of(
      'jobs not ended',
      '',
      0.25,
      200,
      all(({ unended }) => unended),
    ),
    of(
      'p99 of a call',
      'ms',
      0.25,
      15,
      all(({ p99 }) => p99),
    ),
  ];
}
