import { Queue } from 'bullmq';
import { digitRow } from './digits.mjs';

/** Jobs in flight at once while a queue is filled. */
const SEED_AT_ONCE = 500;
const LOOK_MS = 5;

/** @typedef {Awaited<ReturnType<import('./place.mjs').Place['redis']>>} Server */

/**
 * A queue that can be held shut while it is filled. Ours and the naive one are the same BullMQ queue
 * underneath, so both are opened, held and counted alike.
 */
export class Lane {
  /** @param {import('./place.mjs').Place} place @param {Server} server @param {string} name @param {'infer' | 'naive'} kind */
  constructor(place, server, name, kind) {
    this.server = server;
    this.name = name;
    this.prefix = kind === 'infer' ? `{infer:${name}}` : 'bull';
    this.bull = new Queue(name, {
      connection: { path: server.socket },
      prefix: this.prefix,
      skipVersionCheck: true,
    });
    place.closers.push(() => this.bull.close());
  }

  get base() {
    return `${this.prefix}:${this.name}:`;
  }

  hold() {
    return this.bull.pause();
  }

  open() {
    return this.bull.resume();
  }

  ended() {
    return this.server.client.redis.zcard(`${this.base}completed`);
  }

  /** Milliseconds from now until `jobs` more than `before` have ended. @param {number} jobs @param {number} before */
  async timeTo(jobs, before) {
    const started = performance.now();
    for (;;) {
      if ((await this.ended()) >= before + jobs) return performance.now() - started;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /**
   * Rate in jobs a second at which `jobs` waiting jobs are processed.
   * @param {number} jobs
   */
  async drainRate(jobs) {
    const before = await this.ended();
    await this.open();
    const ms = await this.timeTo(jobs, before);
    return (jobs / ms) * 1000;
  }

  /**
   * Single rows of digits with the priorities 0 to 9 in turn.
   * @param {number} jobs @param {{resultTtl?: number}} [options]
   */
  async fillOurs(jobs, options = {}) {
    const { client } = this.server;
    for (let at = 0; at < jobs; at += SEED_AT_ONCE) {
      const some = Math.min(SEED_AT_ONCE, jobs - at);
      await Promise.all(
        Array.from({ length: some }, (_, i) => {
          const priority = /** @type {import('infer-queue').Priority} */ ((at + i) % 10);
          return client.submit(digitRow(at + i), { model: 'digits', queue: this.name, priority, ...options });
        }),
      );
    }
  }

  /** The same rows and priorities as plain BullMQ jobs. @param {number} jobs */
  async fillNaive(jobs) {
    for (let at = 0; at < jobs; at += SEED_AT_ONCE) {
      const some = Math.min(SEED_AT_ONCE, jobs - at);
      await this.bull.addBulk(
        Array.from({ length: some }, (_, i) => ({
          name: 'row',
          data: { pixels: digitRow(at + i) },
          opts: { priority: 10 - ((at + i) % 10) },
        })),
      );
    }
  }
}
