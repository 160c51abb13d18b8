import { plural } from '../../core/counts.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import type { RedisClient } from '../../redis/types.js';
import type { EndedJobs } from '../history/minute.js';
import { STATS_BUCKETS } from '../keys.js';
import { bucketAt } from '../work-stats.js';
import { changeState, type States } from './change-state.js';
import type { NewEvent } from './write-event.js';

/** Prefix of the state of a queue whose jobs fail. */
const FAILURES = 'failures:';
/**
 * The end is reported at half of what the beginning needs, so that a value near the threshold is not a series
 * of events.
 */
const END_SHARE = 0.5;

/** Reports when many jobs of a queue begin to fail, and when that is over. */
export class FailureWatch {
  /** By queue and bucket: the last minute. */
  private readonly recent = new Map<string, Map<number, EndedJobs>>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** @param ended of each queue, its buckets of the current minute */
  async note(ended: ReadonlyMap<string, readonly EndedJobs[]>, states: States, now: number): Promise<void> {
    for (const [queue, buckets] of ended) {
      const minute = this.recent.get(queue) ?? new Map<number, EndedJobs>();
      this.recent.set(queue, minute);
      for (const one of buckets) minute.set(one.bucket, one);
      for (const bucket of minute.keys()) if (bucket <= bucketAt(now) - STATS_BUCKETS) minute.delete(bucket);
      await this.judge(queue, sumOf(minute.values()), states.get(FAILURES + queue)?.on === true);
    }
  }

  private async judge(
    queue: string,
    { ended, failed, codes }: Omit<EndedJobs, 'bucket'>,
    on: boolean,
  ): Promise<void> {
    const share = ended === 0 ? 0 : failed / ended;
    const many = failed >= THRESHOLDS.failuresMany.value && share >= THRESHOLDS.failuresShare.value;
    const few = share < THRESHOLDS.failuresShare.value * END_SHARE;
    if (on ? !few : !many) return;
    const event = on ? endedEvent(queue) : began(queue, ended, failed, codes);
    await changeState(this.client, this.prefix, { thing: FAILURES + queue, on: !on, facts: {}, event });
  }
}

function sumOf(minute: Iterable<EndedJobs>): Omit<EndedJobs, 'bucket'> {
  const codes: Record<string, number> = {};
  let [ended, failed] = [0, 0];
  for (const one of minute) {
    ended += one.ended;
    failed += one.failed;
    for (const [code, count] of Object.entries(one.codes)) codes[code] = (codes[code] ?? 0) + count;
  }
  return { ended, failed, codes };
}

function began(
  queue: string,
  ended: number,
  failed: number,
  codes: Readonly<Record<string, number>>,
): NewEvent {
  const [code = 'OTHER'] = Object.entries(codes).sort((a, b) => b[1] - a[1])[0] ?? [];
  return {
    kind: 'failures-began',
    subject: { kind: 'queue', name: queue },
    text: `${failed} of ${plural(ended, 'job')} of ${queue} failed within a minute, most with ${code}`,
    alarm: true,
    data: { code, failed: String(failed), ended: String(ended) },
  };
}

function endedEvent(queue: string): NewEvent {
  return {
    kind: 'failures-ended',
    subject: { kind: 'queue', name: queue },
    text: `jobs of ${queue} no longer fail`,
    alarm: false,
    data: {},
  };
}
