import { freemem } from 'node:os';
import type { RunnerBounds } from '../config/runner-bounds.js';
import { type Clock, monotonicClock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import type { QueueConsumer } from '../queue/broker/consumer-port.js';
import type { Logger } from '../telemetry/logger.js';
import type { RunnerPool } from './runner-pool.js';
import { afterFailure, decideRunners, NO_MEMORY, RETRY_MS, type ScaleDecision } from './runner-scale.js';
import type { Worker } from './worker.js';

/** The scaler's inputs and what it acts on. */
export interface ScalerParts {
  worker: Pick<Worker, 'load' | 'changes' | 'state'>;
  pool: RunnerPool;
  consumers: readonly Pick<QueueConsumer, 'queue' | 'waiting'>[];
  /** For durations. */
  clock: Clock;
  log: Logger;
}

/** Minimum time between two counts of the waiting jobs in Redis. */
const COUNT_MS = 1000;

/**
 * Adjusts a worker's runners to its backlog. Redis is asked only while all runners have work, more is
 * waiting, and more runners are allowed: three read-only commands per queue and second.
 */
export class RunnerScaler {
  private memory = NO_MEMORY;
  private counted = { at: Number.NEGATIVE_INFINITY, jobs: 0 };
  private changing = false;
  /** The reason already logged, if it still applies. */
  private held: string | undefined;

  private constructor(
    public bounds: RunnerBounds,
    private readonly keepAliveMs: number,
    private readonly parts: ScalerParts,
  ) {}

  /** For a worker with bounds; undefined when its number of runners is fixed. */
  static of(
    { autoscale, keepAliveMs }: { autoscale?: RunnerBounds | undefined; keepAliveMs: number },
    parts: Omit<ScalerParts, 'clock'> & Partial<Pick<ScalerParts, 'clock'>>,
  ): RunnerScaler | undefined {
    if (autoscale === undefined) return undefined;
    return new RunnerScaler(autoscale, keepAliveMs, { clock: monotonicClock, ...parts });
  }

  /** False when the worker is about to end: then nothing is changed. */
  private get isTaking(): boolean {
    return this.parts.worker.state === 'ready';
  }

  /** Looks once; any change runs in the background. */
  async look(): Promise<void> {
    if (this.changing || !this.isTaking) return;
    const first = await this.decide();
    if (first.want === this.parts.pool.slots.length) return;
    this.changing = true;
    void this.change(first)
      // Redis does not answer: the next look will tell.
      .catch(() => undefined)
      .finally(() => {
        this.changing = false;
      });
  }

  /** Runners start one after the other, and before each the need is checked again. */
  private async change(first: ScaleDecision): Promise<void> {
    const { pool } = this.parts;
    for (let decision = first; this.isTaking; decision = await this.decide()) {
      const from = pool.slots.length;
      // Reduce one at a time, with a look in between.
      if (decision.want === from || (decision !== first && decision.want < from)) return;
      if (!(await this.step(from, from + Math.sign(decision.want - from), decision.reason))) return;
    }
  }

  /** Returns whether the target was reached. */
  private async step(was: number, runners: number, reason: string | undefined): Promise<boolean> {
    const { worker, pool, log, clock } = this.parts;
    try {
      await worker.changes.setConcurrency(runners);
      log.info({ runners, was, reason }, 'autoscale');
      return true;
    } catch (error) {
      this.memory = afterFailure(this.memory, clock.now());
      const words = { runners: pool.slots.length, reason: messageOf(error) };
      if (this.isTaking)
        log.warn(words, `autoscale: a runner does not start, none is tried for ${formatDuration(RETRY_MS)}`);
      return false;
    }
  }

  private async decide(): Promise<ScaleDecision> {
    const { worker, pool, clock, log } = this.parts;
    const mayGrow = worker.load.isPressed && pool.slots.length < this.bounds.max;
    const queued = mayGrow ? await this.count() : 0;
    const memory = mayGrow ? await this.machineMemory() : undefined;
    const look = { now: clock.now(), memory, ...worker.load.look(queued) };
    const decision = decideRunners(this.bounds, this.keepAliveMs, this.memory, look);
    this.memory = decision.memory;
    const held = decision.want === look.runners ? decision.reason : undefined;
    if (held !== undefined && this.held === undefined)
      log.warn({ runners: look.runners }, `autoscale: ${held}`);
    this.held = held;
    return decision;
  }

  private async count(): Promise<number> {
    const { worker, consumers, clock } = this.parts;
    const now = clock.now();
    const queues = worker.load.fullQueues;
    if (queues.length === 0) return 0;
    if (now - this.counted.at >= COUNT_MS) {
      const asked = consumers.filter(({ queue }) => queues.includes(queue));
      const counts = await Promise.all(asked.map((consumer) => consumer.waiting()));
      this.counted = { at: now, jobs: counts.reduce((sum, count) => sum + count, 0) };
    }
    return this.counted.jobs;
  }

  /** Except on Linux, "free" does not say what a new process could get. */
  private async machineMemory(): Promise<{ runnerBytes: number; freeBytes: number } | undefined> {
    if (process.platform !== 'linux') return undefined;
    const { pool } = this.parts;
    return { runnerBytes: (await pool.memory()) / Math.max(1, pool.slots.length), freeBytes: freemem() };
  }
}
