import { answerWithin } from '../core/bounded.js';
import { messageOf } from '../core/errors.js';
import { isAlive } from '../core/process-alive.js';
import type { AutoscalerRecord } from '../queue/autoscalers.js';
import type { GpuHolder } from '../queue/broker/gpu-lease.js';
import type { PoolSample } from '../queue/read/sample.js';
import { isServing } from '../queue/serving.js';
import type { WorkerRecord } from '../queue/types.js';
import { type Controller, type ControllerState, type Decision, decide } from './controller.js';
import { type Demand, demandOf, type Learned, learnedFrom } from './demand.js';
import { modelsChangedAt } from './models-changed.js';
import { type Observation, phaseOf, type QueueFacts, type WorkerView } from './observation.js';
import { countPool, factsOf, type PoolCounts } from './pool-counts.js';
import type { FleetLook, FleetMember, ProcessFleet } from './process-fleet.js';

/** The data read from Redis for one decision. */
export interface Reading {
  /** Time of the request, ms since the epoch. */
  at: number;
  sample: PoolSample;
  /** Workers that hold a GPU, by its UUID. */
  holders: ReadonlyMap<string, GpuHolder>;
}

/** The state passed on to a new autoscaler. Plain JSON. */
export interface AutoscalerState {
  controller: ControllerState;
  counts?: PoolCounts | undefined;
  /** What its workers serve. A restarted autoscaler learns it again, since its flags may differ. */
  learned?: Learned | undefined;
}

export interface AutoscalerParts {
  host: string;
  queues: readonly string[];
  controller: Controller;
  fleet: ProcessFleet;
  dryRun: boolean;
  /** Reads Redis; may take forever while it is unreachable. */
  read: (now: number) => Promise<Reading>;
  /** Saves the state, after each decision. */
  save: (state: AutoscalerState) => void;
  now: () => number;
}

/** One decision and its outcome. */
export interface Tick {
  at: number;
  decision: Decision;
  queue: QueueFacts | null;
  /** Why the queue could not be read. */
  error: string | undefined;
  members: FleetMember[];
  /** Workers of the same queues outside this fleet. */
  others: number;
  /** Names of the workers started, and of those ordered to finish, in this tick. */
  started: string[];
  drained: string[];
  failures: FleetLook['failures'];
  troubles: AutoscalerRecord['troubles'];
}

/** If Redis has not answered by then, it counts as unreachable; the reading continues. */
const READ_MS = 2000;
/** A line of a log may be long. */
const LAST_MAX = 300;

/**
 * One step of the loop: read, decide, act, save. It never waits for an unreachable Redis, and sends it
 * nothing more until it has answered.
 */
export class Autoscaler {
  private reading: Promise<Reading | Error> | undefined;
  /** By slot: how the last worker there failed. */
  private readonly lastFailures = new Map<string, string>();

  constructor(
    private readonly parts: AutoscalerParts,
    private state: AutoscalerState,
  ) {}

  async tick(): Promise<Tick> {
    const { fleet, controller, dryRun, now } = this.parts;
    const { reading, error } = await this.read();
    const at = now();
    const records = reading?.sample.workers ?? null;
    const look = fleet.look(records, this.foreign(reading), at);
    const counts = reading === undefined ? this.state.counts : countPool(this.state.counts, reading.sample);
    const own = this.own(look.members, records);
    const learned = this.learn(look.members, own) ?? this.state.learned;
    const demand =
      reading && demandOf(reading.sample, { own, learned, isOutdated: () => isOutdated(learned) });
    const queue =
      reading === undefined || demand === undefined || counts === undefined
        ? null
        : factsOf(demand, counts, reading.at);
    const others = this.others(records ?? [], own);
    const seen: Observation = {
      now: at,
      queue,
      workers: [
        ...look.members,
        ...others.filter(({ record }) => sharesBacklog(record, demand)).map(({ view }) => view),
      ],
      slots: look.slots,
      failures: look.failures.map((failure) => failure.slot),
    };
    const decision = decide(controller, this.state.controller, seen);
    this.state = { controller: decision.state, counts, learned };
    // Saved first: after a crash in between, the next autoscaler finds the process by its pid file.
    if (!dryRun) this.parts.save(this.state);
    const fresh: FleetMember[] = [];
    const drained: string[] = [];
    for (const action of decision.actions) {
      if (action.kind === 'drain') {
        fleet.drain(action.worker);
        drained.push(action.worker);
        continue;
      }
      const member = await fleet.start(action.slot, now());
      if (member !== undefined) fresh.push(member);
    }
    const told = (member: FleetMember): FleetMember =>
      drained.includes(member.id) && !dryRun && member.phase !== 'draining'
        ? { ...member, phase: 'draining', since: at }
        : member;
    for (const { slot, reason, lines } of look.failures) {
      this.lastFailures.set(slot, [reason, ...lines.slice(-1)].join(' | ').slice(0, LAST_MAX));
    }
    const troubles = [...look.troubles, ...troublesOf(decision.state, at, this.lastFailures)];
    return {
      at,
      decision,
      queue,
      error,
      // State after the action: newly started workers are listed from now on.
      members: [...look.members.map(told), ...fresh],
      others: others.length,
      started: fresh.map((member) => member.id),
      drained,
      failures: look.failures,
      troubles,
    };
  }

  /** The record for other processes, in Redis. */
  record(tick: Tick, more: Pick<AutoscalerRecord, 'id' | 'pid' | 'startedAt'>): AutoscalerRecord {
    const { host, queues, controller, dryRun } = this.parts;
    const { config, policy, pool } = controller;
    return {
      ...more,
      host,
      pool,
      queues: [...queues],
      policy: policy.name,
      dryRun,
      min: config.min,
      max: config.max,
      targetWaitMs: config.targetWaitMs,
      intervalMs: config.intervalMs,
      decidedAt: tick.at,
      desired: tick.decision.desired,
      hold: tick.decision.hold,
      reason: tick.decision.reason,
      workers: tick.members.map(({ id, pid, slot, gpu, phase, since, adopted }) => ({
        name: `${id}@${host}`,
        pid,
        slot,
        gpu,
        state: phase,
        since,
        adopted,
      })),
      troubles: tick.troubles,
    };
  }

  private async read(): Promise<{ reading?: Reading; error?: string }> {
    // An error is kept as a value: it may occur while nothing awaits it.
    this.reading ??= this.parts.read(this.parts.now()).catch((error: unknown) => new Error(messageOf(error)));
    const answer = await answerWithin(READ_MS, this.reading, () => undefined);
    if (answer === undefined) return { error: `no answer within ${READ_MS / 1000} s` };
    this.reading = undefined;
    return answer instanceof Error ? { error: answer.message } : { reading: answer };
  }

  /** GPUs held by workers outside this fleet. */
  private foreign(reading: Reading | undefined): Map<string, string> {
    const own = new Set(this.parts.fleet.pids());
    const held = [...(reading?.holders ?? [])].filter(([, { pid }]) => pid === null || !own.has(pid));
    return new Map(held.map(([device, { worker }]) => [device, worker]));
  }

  /** Workers of this fleet, according to their heartbeats. */
  private own(members: readonly FleetMember[], records: readonly WorkerRecord[] | null): WorkerRecord[] {
    const pids = new Set([...members.map((member) => member.pid), ...this.parts.fleet.pids()]);
    return (records ?? []).filter(({ host, pid }) => host === this.parts.host && pids.has(pid));
  }

  /** What ready workers with the current flags serve; undefined while there is none. */
  private learn(members: readonly FleetMember[], own: readonly WorkerRecord[]): Learned | undefined {
    const same = members.filter(
      ({ id, phase }) => (phase === 'ready' || phase === 'busy') && this.parts.fleet.hasCurrentFlags(id),
    );
    const records = own.filter(({ pid }) => same.some((member) => member.pid === pid));
    return learnedFrom(records, this.parts.queues, Math.max(...same.map(({ startedAt }) => startedAt)));
  }

  private others(
    records: readonly WorkerRecord[],
    mine: readonly WorkerRecord[],
  ): { record: WorkerRecord; view: WorkerView }[] {
    const own = new Set(mine);
    const ours = (record: WorkerRecord) => own.has(record);
    // The heartbeat of a worker killed here outlives it by some seconds.
    const dead = ({ host, pid }: WorkerRecord) => host === this.parts.host && !isAlive(pid);
    return records
      .filter((record) => !ours(record) && !dead(record))
      .map((record) => ({
        record,
        view: {
          id: record.id,
          phase: phaseOf(record),
          startedAt: record.startedAt,
          // A start by another process does not show how long a start takes here.
          readyAt: null,
          slot: null,
        },
      }));
  }
}

/** A worker started by others counts if it shares the backlog; a draining one exits by itself. */
function sharesBacklog(record: WorkerRecord, demand: Demand | undefined): boolean {
  return demand === undefined || !isServing(record) || demand.capacity.has(record);
}

/** Whether the models of its workers have changed since the newest worker started. */
function isOutdated(learned: Learned | undefined): boolean {
  return learned?.modelsDirs.some((dir) => modelsChangedAt(dir) > learned.at) === true;
}

/** Slots in which a worker failed. */
function troublesOf(
  { slots }: ControllerState,
  now: number,
  last: ReadonlyMap<string, string>,
): AutoscalerRecord['troubles'] {
  return Object.entries(slots)
    .filter(([, record]) => record.failed || record.retryAt > now)
    .map(([slot, { failed, failures, retryAt }]) => ({
      slot,
      state: failed ? ('failed' as const) : ('backing off' as const),
      reason: failed
        ? `${failures} failures in a row`
        : `failure ${failures}, next try in ${Math.ceil((retryAt - now) / 1000)} s`,
      last: last.get(slot),
    }));
}
