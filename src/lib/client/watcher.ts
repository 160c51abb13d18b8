import type { Producer } from '../queue/broker/producer.js';
import type { Waiter } from '../queue/broker/waiter.js';
import { watchEnd } from '../queue/broker/watch.js';
import { type Glance, glanceAt } from '../queue/read/glance.js';
import { readGroup } from '../queue/read/reader.js';
import type { GroupRecord } from '../queue/types.js';
import type { RedisClient } from '../redis/types.js';
import { isEnded } from './ended.js';
import type { JobLocations } from './job-locations.js';

/** The state of a watched id: a job, a group, or `gone` if it no longer exists. */
export type Sight =
  | ({ kind: 'job'; queue: string } & Glance)
  | { kind: 'group'; group: GroupRecord }
  | { kind: 'gone' };

export interface WatchParts {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  waiter: Waiter;
  locations: JobLocations;
}

interface Watched {
  id: string;
  kind: 'job' | 'group';
  queue: string;
  listeners: Set<(sight: Sight) => void>;
  last: Sight | undefined;
  /** A look for listeners that joined: under way, and whether another is to follow. */
  joining: { again: boolean } | undefined;
}

/** Interval at which all watched ids are read, in ms. */
const LOOK_MS = 1000;

/**
 * Reports the state of jobs and groups to any number of listeners. All watched ids are read once a second in
 * a few round trips; an end is reported at once, by the notice that workers send anyway. There is one timer
 * and no additional connection, and listeners of the same id share its readings. While Redis is unreachable
 * nothing is reported; afterwards it continues.
 */
export class Watcher {
  private readonly watched = new Map<string, Watched>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly parts: WatchParts) {}

  /** Number of watched ids. */
  get size(): number {
    return this.watched.size;
  }

  /**
   * Tells `listener` how it stands with every look, the first of them now, until it is stopped; after the end
   * of what is watched nothing more is told. @returns stops it
   */
  watch(
    { id, kind, queue }: { id: string; kind: 'job' | 'group'; queue: string },
    listener: (sight: Sight) => void,
  ): () => void {
    let one = this.watched.get(id);
    if (one === undefined) {
      one = { id, kind, queue, listeners: new Set(), last: undefined, joining: undefined };
      this.watched.set(id, one);
      void this.hear(one);
    } else if (one.last !== undefined) {
      // What was seen up to a second ago may be older than what this listener knows.
      this.lookFor(one);
    }
    one.listeners.add(listener);
    this.timer ??= this.later();
    const entry = one;
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size === 0) this.drop(entry);
    };
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const one of this.watched.values()) this.parts.waiter.forget(one.id);
    this.watched.clear();
  }

  private drop(one: Watched): void {
    if (this.watched.get(one.id) !== one) return;
    this.watched.delete(one.id);
    this.parts.waiter.forget(one.id);
    if (this.watched.size > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private later(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      void this.lookAtAll().finally(() => {
        // All were dropped during the look, and another has been watched since: its timer goes on alone.
        if (this.timer !== timer) return;
        this.timer = this.closed || this.watched.size === 0 ? undefined : this.later();
      });
    }, LOOK_MS);
    timer.unref();
    return timer;
  }

  private isOver(one: Watched): boolean {
    return this.closed || this.watched.get(one.id) !== one;
  }

  /** Reads once immediately, and again after each notice of its end. */
  private async hear(one: Watched): Promise<void> {
    const { redis, prefix, waiter } = this.parts;
    // Listens before its list is registered, so that no notice is missed.
    for (let named = false; !this.isOver(one); ) {
      const heard = waiter.next(one.queue, one.id);
      const { queue } = one;
      try {
        if (!named) {
          await watchEnd(redis, prefix, queue, one.id, waiter.listFor(queue), one.kind);
          await this.lookAt(queue, [one]);
          named = true;
        }
      } catch {
        // Redis is away: with the next attempt, in about two seconds.
      }
      if (this.isOver(one)) return;
      if ((await heard) !== undefined && !this.isOver(one)) {
        await this.lookAt(one.queue, [one]).catch(() => undefined);
      }
      if (one.queue !== queue) named = false;
    }
  }

  /** Looks for listeners that have just joined: those that come during a look share the next one. */
  private lookFor(one: Watched): void {
    if (one.joining !== undefined) {
      one.joining.again = true;
      return;
    }
    const joining = { again: false };
    one.joining = joining;
    void this.lookAt(one.queue, [one])
      // Redis is away, and the next look is a second away.
      .catch(() => undefined)
      .finally(() => {
        one.joining = undefined;
        if (joining.again && !this.isOver(one)) this.lookFor(one);
      });
  }

  private async lookAtAll(): Promise<void> {
    const byQueue = new Map<string, Watched[]>();
    for (const one of this.watched.values()) {
      const some = byQueue.get(one.queue);
      if (some === undefined) byQueue.set(one.queue, [one]);
      else some.push(one);
    }
    for (const [queue, some] of byQueue) {
      try {
        // Without a worker, no one else ends jobs at their deadlines.
        await this.parts.producer.expireDue(queue);
        await this.lookAt(queue, some);
      } catch {
        // Redis is unreachable; the next reading is in a second.
      }
    }
  }

  private async lookAt(queue: string, some: readonly Watched[]): Promise<void> {
    const { redis, prefix } = this.parts;
    const jobs = some.filter(({ kind }) => kind === 'job');
    const groups = some.filter(({ kind }) => kind === 'group');
    const [glances, records] = await Promise.all([
      glanceAt(
        redis,
        prefix,
        queue,
        jobs.map(({ id, last }) => ({ id, waits: last?.kind === 'job' && last.state === 'waiting' })),
      ),
      Promise.all(groups.map(({ id }) => readGroup(redis, prefix, queue, id))),
    ]);
    for (const [i, one] of jobs.entries()) {
      const glance = glances[i];
      await this.tell(one, glance && { kind: 'job', queue, ...glance });
    }
    for (const [i, one] of groups.entries()) {
      const group = records[i];
      await this.tell(one, group && { kind: 'group', group });
    }
  }

  private async tell(one: Watched, sight: Sight | undefined): Promise<void> {
    if (this.isOver(one)) return;
    if (sight === undefined && (await this.parts.locations.moved(one.id, one.queue))) {
      const { queue } = await this.parts.locations.named(one.id);
      one.queue = queue;
      this.parts.waiter.forget(one.id);
      return;
    }
    const seen = sight ?? { kind: 'gone' };
    one.last = seen;
    const over = seen.kind === 'gone' || isEnded(seen.kind === 'job' ? seen.state : seen.group.state);
    if (over) this.drop(one);
    for (const listener of [...one.listeners]) listener(seen);
  }
}
