import { setTimeout as delay } from 'node:timers/promises';
import { ifReadable, numberOr } from '../../redis/wrong-type.js';
import { sweepKey } from '../keys.js';
import type { QueueScripts } from '../lua/script-client.js';
import { KEY } from '../wire.js';

/** Indexes of ended jobs by end time. Unlike the records, their entries do not expire. */
const SETS = ['completed', 'failed', KEY.expired, KEY.cancelled] as const;
/** Entries checked per script: about 0.5 ms of Redis time when half of them are removed. */
const WINDOW = 500;
/**
 * With this share of dead entries in a window, sweeping continues at once, as Redis does with its expired
 * keys.
 */
const DEAD_SHARE = 0.1;
/** Sweeps after which a whole index has been checked: two minutes. */
const WHOLE_IN = 12;
/** The pause after a script, as a multiple of its run time: it uses at most a third of Redis's time. */
const PAUSE = 2;
/** Milliseconds that a worker's turn at sweeping lasts; slightly less than the time between two sweeps. */
const TURN_MS = 9000;

/**
 * Removes index entries whose record has expired, at the rate at which records expire. Records mostly expire
 * in the order in which they ended, so an index is swept from the front as long as that finds enough. For
 * records with a longer life at the front, a second pass walks through the whole index, a twelfth of it per
 * sweep. Its position is stored in Redis, since workers take turns.
 */
export class Sweeper {
  constructor(private readonly scripts: QueueScripts) {}

  /** Sweeps unless another worker of the queue has just done so; returns how many entries were removed. */
  async inTurn(stopped: () => boolean): Promise<number> {
    const { client, tag } = this.scripts;
    if ((await client.set(sweepKey(tag), '1', 'PX', TURN_MS, 'NX')) === null) {
      // A mark that never expires was not written by a worker.
      if ((await client.pttl(sweepKey(tag))) !== -1) return 0;
      await client.set(sweepKey(tag), '1', 'PX', TURN_MS);
    }
    return this.sweep(stopped);
  }

  /**
   * Returns how many entries were removed.
   * @param stopped checked between two scripts
   */
  async sweep(stopped: () => boolean): Promise<number> {
    let removed = 0;
    for (const set of SETS) {
      removed += await this.front(set, stopped);
      removed += await this.walk(set, stopped);
    }
    return removed;
  }

  private async front(set: string, stopped: () => boolean): Promise<number> {
    let removed = 0;
    for (;;) {
      const window = await this.window(set, 0);
      removed += window.removed;
      if (!window.rich || stopped()) return removed;
    }
  }

  private async walk(set: string, stopped: () => boolean): Promise<number> {
    const { client, tag } = this.scripts;
    const size = await this.size(set);
    let from = numberOr(await ifReadable(client.get(sweepKey(tag, set)), null), 0);
    if (from === 0 && size <= WINDOW) return 0;
    if (from >= size) from = 0;
    let removed = 0;
    for (let left = Math.max(WINDOW, size / WHOLE_IN); left > 0 && !stopped(); ) {
      const window = await this.window(set, from);
      removed += window.removed;
      from += window.looked - window.removed;
      if (!window.rich) left -= window.looked;
      if (window.looked < WINDOW) {
        from = 0;
        break;
      }
    }
    await client.set(sweepKey(tag, set), from, 'EX', 3600);
    return removed;
  }

  private async window(set: string, from: number) {
    const began = performance.now();
    const args = [set, from, WINDOW, TURN_MS];
    const [looked, removed] = (await this.scripts.run('inferSweep', ...args)) as [number, number];
    await delay(PAUSE * (performance.now() - began));
    return { looked, removed, rich: removed > 0 && removed >= DEAD_SHARE * looked };
  }

  private size(set: string): Promise<number> {
    const { client, tag, base } = this.scripts;
    const key = set === 'completed' || set === 'failed' ? base + set : `${tag}:${set}`;
    return ifReadable(client.zcard(key), 0);
  }
}
