import { freemem } from 'node:os';
import type { RunnerBounds } from '../config/runner-bounds.js';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { LiveChanges } from './live-changes.js';
import type { RunnerLoad } from './runner-load.js';
import type { RunnerPool } from './runner-pool.js';
import { afterFailure, decideRunners, NO_MEMORY, type ScaleDecision } from './runner-scale.js';

/** What the scaler looks at and acts on. */
export interface ScalerParts {
  load: RunnerLoad;
  changes: LiveChanges;
  pool: RunnerPool;
  /** False when the worker is about to end: nothing is changed then. */
  isTaking(): boolean;
  /** Jobs that wait in Redis in these queues. */
  waiting(queues: readonly string[]): Promise<number>;
  keepAliveMs: number;
  clock: Clock;
  log: Logger;
}

/** The least time between two counts of what waits in Redis. */
const COUNT_MS = 1000;

/**
 * Keeps a worker's runners in step with its backlog. Redis is asked only while all runners have
 * work, more waits, and there may be more of them: three read-only commands a queue and second.
 */
export class RunnerScaler {
  private memory = NO_MEMORY;
  private counted = { at: Number.NEGATIVE_INFINITY, jobs: 0 };
  private changing = false;
  /** Said already, and still so. */
  private held: string | undefined;

  constructor(
    public bounds: RunnerBounds,
    private readonly parts: ScalerParts,
  ) {}

  /** Looks once; what is to be done about it goes on beside the caller's work. */
  async look(): Promise<void> {
    if (this.changing || !this.parts.isTaking()) return;
    const first = await this.decide();
    if (first.want === this.parts.pool.slots.length) return;
    this.changing = true;
    void this.change(first).finally(() => {
      this.changing = false;
    });
  }

  /** Runners start one after the other, and before each it is looked whether it is still wanted. */
  private async change(first: ScaleDecision): Promise<void> {
    const { pool, changes, log, clock, isTaking } = this.parts;
    try {
      for (let decision = first; isTaking(); decision = await this.decide()) {
        const from = pool.slots.length;
        if (decision.want === from || (decision !== first && decision.want < from)) return;
        const to = from + Math.sign(decision.want - from);
        await changes.setConcurrency(to);
        log.info({ runners: to, was: from, reason: decision.reason }, 'autoscale');
      }
    } catch (error) {
      if (!isTaking()) return;
      this.memory = afterFailure(this.memory, clock.now());
      log.warn({ runners: pool.slots.length, reason: messageOf(error) }, 'autoscale: no change for a while');
    }
  }

  private async decide(): Promise<ScaleDecision> {
    const { load, pool, keepAliveMs, clock, log } = this.parts;
    const mayGrow = load.isPressed && pool.slots.length < this.bounds.max;
    const queued = mayGrow ? await this.count() : 0;
    const memory = mayGrow ? await this.machineMemory() : undefined;
    const look = { now: clock.now(), memory, ...load.look(queued) };
    const decision = decideRunners(this.bounds, keepAliveMs, this.memory, look);
    this.memory = decision.memory;
    const held = decision.want === look.runners ? decision.reason : undefined;
    if (held !== undefined && this.held === undefined)
      log.warn({ runners: look.runners }, `autoscale: ${held}`);
    this.held = held;
    return decision;
  }

  private async count(): Promise<number> {
    const { load, clock, waiting } = this.parts;
    const now = clock.now();
    const queues = load.fullQueues;
    if (queues.length === 0) return 0;
    if (now - this.counted.at >= COUNT_MS) this.counted = { at: now, jobs: await waiting(queues) };
    return this.counted.jobs;
  }

  /** Elsewhere than on Linux "free" does not say what a new process could have. */
  private async machineMemory(): Promise<{ runnerBytes: number; freeBytes: number } | undefined> {
    if (process.platform !== 'linux') return undefined;
    const { pool } = this.parts;
    return { runnerBytes: (await pool.memory()) / Math.max(1, pool.slots.length), freeBytes: freemem() };
  }
}
