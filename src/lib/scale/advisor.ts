import type { PoolSample } from '../queue/read/sample.js';
import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
import { type Controller, type ControllerState, type Decision, decide, initialState } from './controller.js';
import type { Observation, QueueFacts, WorkerView } from './observation.js';
import { countPool, factsOf, type PoolCounts } from './pool-counts.js';

/** A worker that was asked for and is not there by then is not coming: it is requested again. */
const OVERDUE_MS = 600_000;
/** What ended longer ago than this is no longer counted in Redis. */
const COUNTED_MS = 50_000;

/** What the system that starts and stops the workers is told. */
export interface Advice {
  /** When it was decided, ms since the epoch. */
  at: number;
  /** Workers that should run, in all. */
  desired: number;
  hold: Decision['hold'];
  /** One sentence with its numbers, as the live loop says it. */
  reason: string;
  queue: QueueFacts;
  /** Workers that serve the pool; `expected` were asked for and have sent no heartbeat yet. */
  workers: { ready: number; busy: number; draining: number; expected: number };
}

/**
 * The live loop's decisions for a fleet that another system runs, such as Kubernetes. It sees workers
 * by their heartbeats alone, so what it asked for counts as starting until its first heartbeat, and what it
 * gave up as draining until it is gone: decided again meanwhile, each look would ask for more.
 */
export class Advisor {
  private state: ControllerState;
  private counts: PoolCounts | undefined;
  /** Workers last asked for; undefined before the first look. */
  private target: number | undefined;
  /** When each worker that is not there yet was asked for, oldest first. */
  private expected: number[] = [];
  /** When the workers that are there were asked for, by id: so long did their start take. */
  private askedFor = new Map<string, number>();
  private seen = new Set<string>();

  constructor(private readonly controller: Controller) {
    this.state = initialState(controller);
  }

  /** Workers last asked for; undefined before the first look. */
  get held(): number | undefined {
    return this.target;
  }

  /** Nothing could be read: what was asked for last stands, and after a long time of this nothing is stopped for a while. */
  blind(now: number): void {
    const nothing = { now, queue: null, workers: [], slots: [], failures: [] };
    this.state = { ...this.state, blindSince: decide(this.controller, this.state, nothing).state.blindSince };
  }

  /** Decides by what was just read. Calls it once for each look: every look moves the state. */
  look(sample: PoolSample, now: number): Advice {
    this.counts = this.count(sample, now);
    const queue = factsOf(sample, this.counts, now);
    const serving = sample.workers.filter(isServing);
    this.meet(serving, now);
    const { decision, own } = this.decideOn(sample.workers, queue, now);
    this.state = decision.state;
    const starts = decision.desired > own;
    const drains = decision.actions.filter((action) => action.kind === 'drain').length;
    const desired = starts ? decision.desired : own - drains;
    this.target = desired;
    this.expect(desired - serving.length, now);
    const busy = serving.filter((worker) => worker.active.length > 0).length;
    return {
      at: now,
      desired,
      hold: decision.hold,
      reason: decision.reason,
      queue,
      workers: {
        ready: serving.length - busy,
        busy,
        draining: sample.workers.length - serving.length,
        expected: this.expected.length,
      },
    };
  }

  /** After a long time unasked some ends are unknown: busy time that goes back has the rate measured from here. */
  private count(sample: PoolSample, now: number): PoolCounts {
    const counts = countPool(this.counts, sample);
    const { readAt } = this.state;
    if (this.counts === undefined || readAt === null || now - readAt <= COUNTED_MS) return counts;
    return { ...counts, busySeconds: this.counts.busySeconds - 1 };
  }

  /** A new worker takes the place of one that was asked for; the overdue are given up. */
  private meet(serving: readonly WorkerRecord[], now: number): void {
    const first = this.target === undefined;
    for (const { id } of serving) {
      const asked = first || this.seen.has(id) ? undefined : this.expected.shift();
      if (asked !== undefined) this.askedFor.set(id, asked);
    }
    this.seen = new Set(serving.map((worker) => worker.id));
    for (const id of this.askedFor.keys()) if (!this.seen.has(id)) this.askedFor.delete(id);
    const overdue = this.expected.filter((since) => now - since > OVERDUE_MS).length;
    this.expected.splice(0, overdue);
    if (this.target === undefined) this.target = serving.length;
    else this.target = Math.max(Math.min(serving.length, this.target), this.target - overdue);
    // One that died is restarted by the system that keeps the number.
    this.expect(this.target - serving.length, now);
  }

  /** So many are missing: the oldest still count from when they were asked for. */
  private expect(missing: number, now: number): void {
    this.expected = this.expected.slice(0, Math.max(0, missing));
    while (this.expected.length < missing) this.expected.push(now);
  }

  private decideOn(
    workers: readonly WorkerRecord[],
    queue: QueueFacts,
    now: number,
  ): { decision: Decision; own: number } {
    const { controller, state } = this;
    const views = this.views(workers);
    const own = views.filter((view) => view.phase !== 'draining').length;
    const slots = [...views.flatMap(({ slot }) => slot ?? []), ...freeSlots(controller.config.max)];
    const seen: Observation = { now, queue, workers: views, slots, failures: [] };
    const decision = decide(controller, state, seen);
    if (decision.desired <= own) return { decision, own };
    // One that ends takes up no place here: the system that runs the fleet no longer counts it.
    const staying = views.filter((view) => view.phase !== 'draining');
    return { decision: decide(controller, state, { ...seen, workers: staying }), own };
  }

  /** The fleet as if what was asked for were under way. */
  private views(records: readonly WorkerRecord[]): WorkerView[] {
    const surplus = this.seen.size - (this.target ?? this.seen.size);
    // Whom Kubernetes ends is its choice; counted as gone are the idle and the newest, as live.
    const leaving = new Set(
      records
        .filter(isServing)
        .sort(
          (a, b) => Number(a.active.length > 0) - Number(b.active.length > 0) || b.startedAt - a.startedAt,
        )
        .slice(0, Math.max(0, surplus))
        .map((record) => record.id),
    );
    const there = records.map(({ id, state, active, startedAt }): WorkerView => {
      const asked = this.askedFor.get(id);
      const goes = !isServing({ state }) || leaving.has(id);
      return {
        id,
        phase: goes ? 'draining' : active.length > 0 ? 'busy' : 'ready',
        startedAt: asked ?? startedAt,
        // Of one that was there before, no one knows how long its start took.
        readyAt: asked === undefined ? null : Math.max(asked, startedAt),
        slot: id,
      };
    });
    const coming = this.expected.map(
      (startedAt, at): WorkerView => ({
        id: `expected-${at}`,
        phase: 'starting',
        startedAt,
        readyAt: null,
        slot: `expected-${at}`,
      }),
    );
    return [...there, ...coming];
  }
}

/** Places to start in are the cluster's affair: there are always as many as may run. */
function freeSlots(max: number): string[] {
  return Array.from({ length: max }, (_, at) => `new-${at}`);
}
