import type { PoolSample } from '../queue/read/sample.js';
import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
import { type Controller, type ControllerState, type Decision, decide, initialState } from './controller.js';
import { demandOf, type Learned, learnedFrom } from './demand.js';
import { type Observation, phaseOf, type QueueFacts, type WorkerView } from './observation.js';
import { countPool, factsOf, type PoolCounts } from './pool-counts.js';

/** A requested worker that has not appeared after this time is not coming: it is requested again. */
const OVERDUE_MS = 600_000;
/**
 * After this time without any worker, the models that workers serve are unknown again: the system that starts
 * them may have received other models, and only a new worker shows which.
 */
const LEARNED_MS = 1_800_000;
/** Jobs that ended longer ago are no longer counted in Redis. */
const COUNTED_MS = 50_000;

/** The advice for the system that starts and stops the workers. */
export interface Advice {
  /** When it was decided, ms since the epoch. */
  at: number;
  /** Total number of workers that should run. */
  desired: number;
  hold: Decision['hold'];
  /** One sentence with the numbers, as in the live loop. */
  reason: string;
  queue: QueueFacts;
  /** Workers that serve the pool; `expected` ones were requested but have sent no heartbeat yet. */
  workers: { ready: number; busy: number; draining: number; expected: number };
}

/**
 * The live loop's decisions for a fleet run by another system, such as Kubernetes. It sees workers only by
 * their heartbeats, so a requested worker counts as starting until its first heartbeat, and one no longer
 * wanted as draining until it disappears: otherwise every look in between would request more.
 */
export class Advisor {
  private state: ControllerState;
  private counts: PoolCounts | undefined;
  /** Number of workers last requested; undefined before the first look. */
  private target: number | undefined;
  /** When each worker that has not appeared yet was requested, oldest first. */
  private expected: number[] = [];
  /** When the present workers were requested, by id: shows how long their start took. */
  private askedFor = new Map<string, number>();
  private seen = new Set<string>();
  /** What the workers serve, or last served. */
  private learned: Learned | undefined;

  constructor(private readonly controller: Controller) {
    this.state = initialState(controller);
  }

  /** Number of workers last requested; undefined before the first look. */
  get held(): number | undefined {
    return this.target;
  }

  /**
   * Nothing could be read: the last request stays in effect, and after a long time without data nothing is stopped for
   * a while.
   */
  blind(now: number): void {
    const nothing = { now, queue: null, workers: [], slots: [], failures: [] };
    this.state = { ...this.state, blindSince: decide(this.controller, this.state, nothing).state.blindSince };
  }

  /** Decides from a new reading. Call it once per reading: each call advances the state. */
  look(sample: PoolSample, now: number): Advice {
    this.counts = this.count(sample, now);
    const serving = sample.workers.filter(isServing);
    const names = sample.queues.map(({ name = '' }) => name);
    this.learned = learnedFrom(serving, names, now) ?? this.learned;
    const { learned } = this;
    const isOutdated = () => learned !== undefined && now - learned.at > LEARNED_MS;
    const queue = factsOf(demandOf(sample, { own: serving, learned, isOutdated }), this.counts, now);
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

  /**
   * After a long time without a look, some ends are unknown: if busy time decreased, the rate is measured again from here.
   */
  private count(sample: PoolSample, now: number): PoolCounts {
    const counts = countPool(this.counts, sample);
    const { readAt } = this.state;
    if (this.counts === undefined || readAt === null || now - readAt <= COUNTED_MS) return counts;
    return { ...counts, busySeconds: this.counts.busySeconds - 1 };
  }

  /** A new worker takes the place of a requested one; overdue requests are dropped. */
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
    // A worker that died is restarted by the system that maintains the number.
    this.expect(this.target - serving.length, now);
  }

  /** This many are missing: the oldest still count from when they were requested. */
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
    // A worker that is ending occupies no slot here: the system that runs the fleet no longer counts it.
    const staying = views.filter((view) => view.phase !== 'draining');
    return { decision: decide(controller, state, { ...seen, workers: staying }), own };
  }

  /** The fleet as if the requested changes were in progress. */
  private views(records: readonly WorkerRecord[]): WorkerView[] {
    const surplus = this.seen.size - (this.target ?? this.seen.size);
    // Kubernetes chooses which workers to end; the idle and the newest are assumed to go, as in the live
    // loop.
    const leaving = new Set(
      records
        .filter(isServing)
        .sort(
          (a, b) => Number(a.active.length > 0) - Number(b.active.length > 0) || b.startedAt - a.startedAt,
        )
        .slice(0, Math.max(0, surplus))
        .map((record) => record.id),
    );
    const there = records.map((record): WorkerView => {
      const { id, startedAt } = record;
      const asked = this.askedFor.get(id);
      return {
        id,
        phase: leaving.has(id) ? 'draining' : phaseOf(record),
        startedAt: asked ?? startedAt,
        // For a worker that was there before, the duration of its start is unknown.
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

/** Slots are the cluster's concern: there are always as many as may run. */
function freeSlots(max: number): string[] {
  return Array.from({ length: max }, (_, at) => `new-${at}`);
}
