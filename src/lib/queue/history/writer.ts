import type { Clock } from '../../core/clock.js';
import type { RedisClient } from '../../redis/types.js';
import type { States } from '../events/change-state.js';
import { FailureWatch } from '../events/failure-watch.js';
import { WorkerEvents, workerNames } from '../events/worker-events.js';
import { historyOpenKey, historyWriterKey, minutesKey } from '../keys.js';
import { END_TURN, TAKE_TURN, WRITE_OPEN } from '../lua/history.js';
import { listQueues } from '../read/reader.js';
import { listWorkers } from '../registry.js';
import type { WorkerRecord } from '../types.js';
import { bucketAt } from '../work-stats.js';
import { closeMinute } from './close-minute.js';
import { HourRoll } from './hours.js';
import { Looker } from './looks.js';
import { figuresOfMinute, type MinuteFigures } from './minute.js';
import { figuresField, lookField, readOpenMinutes } from './open-minutes.js';
import { HOURS_TTL, MINUTE_MS, startOf, WHOLE } from './series.js';
import { lastEntry } from './steps.js';

/** How long the right to write is held without renewal; it is renewed with every look. */
const TURN_MS = 20_000;
/**
 * A minute is computed for the last time and closed this long after its end, so that reports which were late
 * by as much are in it. Until then Redis has all of its reports: they expire after two minutes.
 */
const CLOSE_AFTER_MS = 40_000;
/** After this, its first reports may have expired: it is closed as it was last computed. */
const REPORTS_GONE_MS = 55_000;
/** A minute that has just ended is computed again this soon, for readers. */
const JUST_ENDED_MS = 10_000;
/** Fields written by one command. */
const FIELDS_AT_ONCE = 100;

export interface HistoryParts {
  client: RedisClient;
  prefix: string;
  /** The worker's id. */
  id: string;
  /** Redis's clock. */
  clock: Clock;
}

/**
 * Writes the history of a deployment. Every worker has one and calls `look` every five seconds; the one that
 * holds the right to write does the work, and after its death another one does. Figures come from the
 * workers' reports of ten seconds, which each worker overwrites in full with its heartbeat: what is computed
 * from them can be computed and written again, by anyone, and stays the same. So a figure is neither lost
 * with its worker nor counted twice.
 */
export class HistoryWriter {
  private readonly looker: Looker;
  private readonly hours: HourRoll;
  private readonly events: WorkerEvents;
  private readonly failures: FailureWatch;
  /** Names of workers by id, kept for those that have left within the last minutes. */
  private names = new Map<string, { name: string; seenAt: number }>();
  /** The ten seconds that were last recorded. */
  private recorded: number | undefined;
  private looking: Promise<void> = Promise.resolve();

  constructor(private readonly parts: HistoryParts) {
    const { client, prefix } = parts;
    this.looker = new Looker(client, prefix);
    this.hours = new HourRoll(client, prefix);
    this.events = new WorkerEvents(client, prefix);
    this.failures = new FailureWatch(client, prefix);
  }

  /** Writes the event that this worker is ready. */
  async started(record: WorkerRecord): Promise<void> {
    await this.events.arrived(record);
  }

  /** Records the current ten seconds if that is this worker's task and has not been done. */
  look(): Promise<void> {
    const looking = this.looking.catch(() => undefined).then(() => this.lookOnce(false));
    this.looking = looking;
    return looking;
  }

  /**
   * Records the last figures of this worker, writes the event that it has stopped, and lets another worker
   * write. Call it when its heartbeat has been removed.
   */
  async stop(): Promise<void> {
    const { client, prefix, id, clock } = this.parts;
    await this.looking.catch(() => undefined);
    await this.events.left(clock.now());
    await this.lookOnce(true);
    await client.eval(END_TURN, 1, historyWriterKey(prefix), id);
  }

  private async lookOnce(last: boolean): Promise<void> {
    const { client, prefix, id, clock } = this.parts;
    const mine = await client.eval(TAKE_TURN, 1, historyWriterKey(prefix), id, TURN_MS);
    if (mine !== 1) return;
    const workers = await listWorkers(client, prefix);
    const now = clock.now();
    const states = await this.events.compare(workers, now);
    if (!last && this.recorded === bucketAt(now)) return;
    this.learnNames(workers, states, now);
    const queues = await listQueues(client, prefix);
    await this.record(queues, workers, states, now);
    this.recorded = bucketAt(now);
  }

  private async record(
    queues: readonly string[],
    workers: readonly WorkerRecord[],
    states: States,
    now: number,
  ): Promise<void> {
    const { client, prefix } = this.parts;
    const minute = startOf(now, MINUTE_MS);
    const [look, current] = await Promise.all([
      this.looker.look(queues, workers, now),
      this.figures(queues, minute, now),
    ]);
    await this.write([
      ...fieldsOf(minute, current),
      lookField(minute, bucketAt(now) % 6),
      JSON.stringify(look),
    ]);
    await this.failures.note(current.ended, states, now);

    const before = minute - MINUTE_MS;
    const past = now - minute;
    const due = past < JUST_ENDED_MS || past >= CLOSE_AFTER_MS || this.recorded === undefined;
    if (due && past < REPORTS_GONE_MS) await this.recordAgain(queues, before, now);
    for (const open of await readOpenMinutes(client, prefix)) {
      if (now < open.minute + MINUTE_MS + CLOSE_AFTER_MS) break;
      await closeMinute(client, prefix, open);
    }
    await this.hours.upTo(now - MINUTE_MS);
  }

  private figures(queues: readonly string[], minute: number, now: number): Promise<MinuteFigures> {
    const { client, prefix } = this.parts;
    const names = new Map([...this.names].map(([id, { name }]) => [id, name]));
    return figuresOfMinute(client, prefix, queues, names, minute, now);
  }

  /**
   * Records a minute that has ended; one that was closed stays as it is, and one in which nothing was done is
   * not begun.
   */
  private async recordAgain(queues: readonly string[], minute: number, now: number): Promise<void> {
    const { client, prefix } = this.parts;
    const closed = await lastEntry(client, minutesKey(prefix, WHOLE));
    if (closed !== undefined && closed >= minute) return;
    const begun = await client.hexists(historyOpenKey(prefix), figuresField(minute, WHOLE));
    const figures = await this.figures(queues, minute, now);
    const idle = figures.series.size === 1 && figures.series.get(WHOLE)?.added === 0;
    if (begun === 1 || !idle) await this.write(fieldsOf(minute, figures));
  }

  private async write(fields: readonly string[]): Promise<void> {
    const { client, prefix, id } = this.parts;
    for (let from = 0; from < fields.length; from += 2 * FIELDS_AT_ONCE) {
      const some = fields.slice(from, from + 2 * FIELDS_AT_ONCE);
      await client.eval(
        WRITE_OPEN,
        2,
        historyWriterKey(prefix),
        historyOpenKey(prefix),
        id,
        HOURS_TTL,
        ...some,
      );
    }
  }

  private learnNames(workers: readonly WorkerRecord[], states: States, now: number): void {
    for (const { id, name } of workers) this.names.set(id, { name, seenAt: now });
    // A writer that has just begun knows those that have left from the last events about them.
    for (const [id, name] of workerNames(states))
      if (!this.names.has(id)) this.names.set(id, { name, seenAt: now });
    for (const [id, { seenAt }] of this.names) if (now - seenAt > 3 * MINUTE_MS) this.names.delete(id);
  }
}

function fieldsOf(minute: number, { series }: MinuteFigures): string[] {
  return [...series].flatMap(([name, figures]) => [figuresField(minute, name), figures.pack()]);
}
