import type { RedisClient } from '../../redis/types.js';
import { historySeriesKey, hoursKey, minutesKey } from '../keys.js';
import { APPEND_HOUR } from '../lua/history.js';
import { HistoryFigures } from './figures.js';
import { DAY_MS, HOUR_MS, HOURS_KEPT, HOURS_TTL, startOf, WHOLE } from './series.js';
import { lastEntry, readSteps } from './steps.js';

/** Series read and written together. */
const AT_ONCE = 20;

/**
 * Sums up hours from their minutes, once each: an hour that has been written is not written again. Hours that
 * no worker lived to see summed up are summed up by the next one, as long as their minutes are kept.
 */
export class HourRoll {
  /** Hours before this one are done. */
  private next: number | undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** Sums up all hours that ended before `now`, whose minutes must be closed. */
  async upTo(now: number): Promise<void> {
    const end = startOf(now, HOUR_MS);
    this.next ??= await this.firstOpen(end);
    for (; this.next < end; this.next += HOUR_MS) await this.sum(this.next);
    // Redis's clock was set back.
    this.next = Math.min(this.next, end);
  }

  private async firstOpen(end: number): Promise<number> {
    const last = await lastEntry(this.client, hoursKey(this.prefix, WHOLE));
    return Math.max(end - DAY_MS, last === undefined ? 0 : last + HOUR_MS);
  }

  private async sum(hour: number): Promise<void> {
    const { client, prefix } = this;
    const active = await client.zrangebyscore(historySeriesKey(prefix), hour, '+inf');
    if (active.length === 0) return;
    const names = [...active.filter((name) => name !== WHOLE), WHOLE];
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const some = names.slice(from, from + AT_ONCE);
      const sums = await Promise.all(some.map((name) => this.sumOf(name, hour)));
      const found = some.flatMap((name, i) => {
        const sum = sums[i];
        return sum === undefined ? [] : [{ key: hoursKey(prefix, name), value: sum.pack() }];
      });
      if (found.length === 0) continue;
      const keys = found.map(({ key }) => key);
      const values = found.map(({ value }) => value);
      await client.eval(APPEND_HOUR, keys.length, ...keys, hour, HOURS_KEPT, HOURS_TTL, ...values);
    }
  }

  private async sumOf(name: string, hour: number): Promise<HistoryFigures | undefined> {
    const minutes = await readSteps(this.client, minutesKey(this.prefix, name), hour, hour + HOUR_MS - 1);
    if (minutes.length === 0) return undefined;
    const sum = new HistoryFigures();
    for (const { figures } of minutes) sum.merge(figures);
    return sum;
  }
}
