import { type Random, seededRandom } from '../core/random.js';
import { type Controller, decide, initialState } from './controller.js';
import { lognormals } from './draw.js';
import type { Observation, WorkerPhase } from './observation.js';
import type { Trace } from './traces.js';

export interface SimulationOptions {
  /** Mean time from a worker's start to its first job, ms; each start takes 0.9 to 1.2 times this. */
  readonly coldStartMs: number;
  /** Mean time of a job, ms, if the trace does not say; log-normal, CV 0.3. */
  readonly serviceMs: number;
  readonly seed: number;
  /** Called after each tick. */
  readonly onTick?: (tick: Tick) => void;
}

/** The state after a decision. */
export interface Tick {
  /** ms from the start. */
  readonly at: number;
  readonly waiting: number;
  readonly arrived: number;
  readonly ready: number;
  readonly starting: number;
  readonly reason: string;
  readonly acted: boolean;
}

export interface SimulationResult {
  readonly jobs: number;
  /** Time each job waited, ms, in order of arrival; infinite for one that was never served. */
  readonly waits: Float64Array;
  /** Time of all worker processes, ms, from start to exit. */
  readonly workerMs: number;
  readonly starts: number;
  readonly stops: number;
  /** How often a start followed a stop or a stop a start. */
  readonly flips: number;
  /** When the last job ended, or the end of the trace if later, ms from the start. */
  readonly endMs: number;
  /** When the last job ended, ms from the start. */
  readonly makespanMs: number;
}

interface Worker {
  readonly id: string;
  readonly slot: string;
  readonly startedAt: number;
  readonly readyAt: number;
  phase: WorkerPhase;
  /** When its job ends; infinite when it has none. */
  busyUntil: number;
  busyFrom: number;
}

const SERVICE_CV = 0.3;
/** How long to wait, after the end of the trace, for jobs that are not served. */
const GIVE_UP_MS = 24 * 3_600_000;

export function simulate(trace: Trace, controller: Controller, options: SimulationOptions): SimulationResult {
  return new Simulation(trace, controller, options).run();
}

class Simulation {
  private readonly random: Random;
  private readonly services: Float64Array;
  private readonly waits: Float64Array;
  private readonly slots: string[];
  private workers: Worker[] = [];
  private now = 0;
  private arrived = 0;
  private head = 0;
  private completed = 0;
  private busyMs = 0;
  private workerMs = 0;
  private made = 0;
  private starts = 0;
  private stops = 0;
  private flips = 0;
  private lastWay = 0;
  private makespan = 0;

  constructor(
    private readonly trace: Trace,
    private readonly controller: Controller,
    private readonly options: SimulationOptions,
  ) {
    this.random = seededRandom(options.seed * 104_729 + 1);
    const jobs = trace.arrivals.length;
    this.waits = new Float64Array(jobs).fill(Number.POSITIVE_INFINITY);
    this.services =
      trace.serviceMs ??
      lognormals(seededRandom(options.seed * 15_485_863 + 2), jobs, options.serviceMs, SERVICE_CV);
    this.slots = Array.from({ length: controller.config.max }, (_, at) => `slot-${at}`);
  }

  run(): SimulationResult {
    const { config } = this.controller;
    for (const slot of this.slots.slice(0, config.min)) this.start(slot, 0);
    this.starts = 0;
    let state = initialState(this.controller);
    let tickAt = 0;
    const jobs = this.waits.length;
    while (this.completed < jobs || this.now < this.trace.durationMs) {
      const event = this.nextEvent();
      if (event < tickAt) {
        this.advance(event);
        continue;
      }
      if (tickAt > this.trace.durationMs + GIVE_UP_MS) break;
      this.advance(tickAt);
      if (this.completed >= jobs && this.now >= this.trace.durationMs) break;
      const decision = decide(this.controller, state, this.observe());
      state = decision.state;
      for (const action of decision.actions) {
        if (action.kind === 'start')
          this.start(action.slot, this.options.coldStartMs * (0.9 + 0.3 * this.random()));
        else this.drain(action.worker);
      }
      this.assign();
      this.options.onTick?.({
        at: this.now,
        waiting: this.arrived - this.head,
        arrived: this.arrived,
        ready: this.workers.filter((w) => w.phase === 'ready' || w.phase === 'busy').length,
        starting: this.workers.filter((w) => w.phase === 'starting').length,
        reason: decision.reason,
        acted: decision.actions.length > 0,
      });
      tickAt += config.intervalMs;
    }
    const endMs = Math.max(this.trace.durationMs, this.makespan);
    for (const worker of this.workers) this.workerMs += endMs - Math.min(endMs, worker.startedAt);
    const { starts, stops, flips, workerMs, waits, makespan } = this;
    return { jobs, waits, workerMs, starts, stops, flips, endMs, makespanMs: makespan };
  }

  private nextEvent(): number {
    let next = this.trace.arrivals[this.arrived] ?? Number.POSITIVE_INFINITY;
    for (const worker of this.workers) {
      const at = worker.phase === 'starting' ? worker.readyAt : worker.busyUntil;
      if (at < next) next = at;
    }
    return next;
  }

  private advance(to: number): void {
    this.now = to;
    const { arrivals } = this.trace;
    while (this.arrived < arrivals.length && (arrivals[this.arrived] as number) <= to) this.arrived += 1;
    let gone = false;
    for (const worker of this.workers) {
      if (worker.phase === 'starting' && worker.readyAt <= to) worker.phase = 'ready';
      if (worker.busyUntil <= to) {
        this.completed += 1;
        this.makespan = Math.max(this.makespan, worker.busyUntil);
        this.busyMs += worker.busyUntil - worker.busyFrom;
        worker.busyUntil = Number.POSITIVE_INFINITY;
        if (worker.phase === 'draining') {
          gone = true;
          this.workerMs += to - worker.startedAt;
        } else worker.phase = 'ready';
      }
    }
    if (gone)
      this.workers = this.workers.filter(
        (w) => w.phase !== 'draining' || w.busyUntil < Number.POSITIVE_INFINITY,
      );
    this.assign();
  }

  private assign(): void {
    for (const worker of this.workers) {
      if (this.head >= this.arrived) return;
      if (worker.phase !== 'ready') continue;
      const job = this.head++;
      this.waits[job] = this.now - (this.trace.arrivals[job] as number);
      worker.phase = 'busy';
      worker.busyFrom = this.now;
      worker.busyUntil = this.now + (this.services[job] as number);
    }
  }

  private start(slot: string, coldStartMs: number): void {
    this.made += 1;
    this.starts += 1;
    this.turn(1);
    this.workers.push({
      id: `w${this.made}`,
      slot,
      startedAt: this.now,
      readyAt: this.now + coldStartMs,
      phase: coldStartMs > 0 ? 'starting' : 'ready',
      busyUntil: Number.POSITIVE_INFINITY,
      busyFrom: 0,
    });
  }

  private drain(id: string): void {
    const worker = this.workers.find((w) => w.id === id);
    if (worker === undefined) return;
    this.stops += 1;
    this.turn(-1);
    if (worker.phase === 'busy') worker.phase = 'draining';
    else {
      this.workerMs += this.now - worker.startedAt;
      this.workers = this.workers.filter((w) => w !== worker);
    }
  }

  private turn(way: 1 | -1): void {
    if (this.now > 0 && this.lastWay !== 0 && this.lastWay !== way) this.flips += 1;
    if (this.now > 0) this.lastWay = way;
  }

  private observe(): Observation {
    const { now } = this;
    let active = 0;
    let busySoFar = this.busyMs;
    for (const w of this.workers) {
      if (w.busyUntil < Number.POSITIVE_INFINITY) {
        active += 1;
        busySoFar += now - w.busyFrom;
      }
    }
    return {
      now,
      queue: {
        at: now,
        waiting: this.arrived - this.head,
        dueDelayed: 0,
        active,
        oldestMs: this.head < this.arrived ? now - (this.trace.arrivals[this.head] as number) : null,
        arrived: this.arrived,
        completed: this.completed,
        busySeconds: busySoFar / 1000,
        paused: false,
      },
      workers: this.workers.map((w) => ({
        id: w.id,
        phase: w.phase,
        startedAt: w.startedAt,
        // The start of the first ones was not observed.
        readyAt: w.phase === 'starting' || w.readyAt === w.startedAt ? null : w.readyAt,
        slot: w.slot,
      })),
      slots: this.slots,
      failures: [],
    };
  }
}
