import { outsideNote, unservedNote } from './demand.js';
import type { Observation, QueueFacts, WorkerView } from './observation.js';
import type { Fleet, Policy, PolicyConfig } from './policy.js';
import { formatSeconds } from './reason.js';
import { type SlotRecords, updateSlots, usableSlots } from './slots.js';

/** Data older than this many ticks must not be acted on. */
const STALE_TICKS = 3;
/**
 * After a long time without data, nothing is stopped for this long, or for three cold starts if that is
 * longer.
 */
const SETTLE_MS = 120_000;
const SETTLE_COLD_STARTS = 3;
/** Used until this fleet has shown how long a start takes. */
const COLD_START_PRIOR_MS = 20_000;
const COLD_STARTS_KEPT = 20;

export type Action =
  | { readonly kind: 'start'; readonly slot: string }
  | { readonly kind: 'drain'; readonly worker: string };

/** Why nothing is done, or nothing is stopped; null when the policy decides freely. */
export type Hold = 'unreachable' | 'stale' | 'recovering' | null;

/** Plain JSON: save it after each decision, and a new autoscaler continues from it. */
export interface ControllerState {
  readonly version: 1;
  /** The policy that this state belongs to; another one starts from scratch. */
  readonly policy: string;
  readonly policyState: unknown;
  /** When workers were first seen ready, by id, ms since the epoch. */
  readonly readySince: Readonly<Record<string, number>>;
  /** Workers that were starting at the last look. */
  readonly starting: readonly string[];
  /** Recent times from start to ready, ms. */
  readonly coldStarts: readonly number[];
  readonly slots: SlotRecords;
  /** When the queue was last read; null before the first time. */
  readonly readAt: number | null;
  /** Since when no decision was possible; null while it is. */
  readonly blindSince: number | null;
  /** No stop before this time, ms since the epoch; null: no such restriction. */
  readonly noStopBefore: number | null;
}

export interface Decision {
  readonly state: ControllerState;
  readonly actions: readonly Action[];
  /** Workers wanted within the bounds; while on hold, the present number. */
  readonly desired: number;
  readonly hold: Hold;
  /** One sentence with the numbers: `realtime 1→3: predicted wait 31.2s > 10s (…)`. */
  readonly reason: string;
}

export interface Controller {
  /** Beginning of that sentence: the queue or pool. */
  readonly pool: string;
  readonly config: PolicyConfig;
  readonly policy: Policy;
}

export function initialState({ policy }: Controller): ControllerState {
  return {
    version: 1,
    policy: policy.name,
    policyState: policy.initial(),
    readySince: {},
    starting: [],
    coldStarts: [],
    slots: {},
    readAt: null,
    blindSince: null,
    noStopBefore: null,
  };
}

/**
 * One tick: what to start and what to drain. Pure. Respects `min` and `max`, takes one free slot for each
 * start, drains one worker at a time, and changes nothing without current data.
 */
export function decide(controller: Controller, before: ControllerState, seen: Observation): Decision {
  const { config, policy, pool } = controller;
  const { now, workers } = seen;
  const state = look(
    before.policy === policy.name
      ? before
      : { ...initialState(controller), slots: before.slots, coldStarts: before.coldStarts },
    seen,
  );
  const committed = workers.filter((worker) => worker.phase !== 'draining');
  const own = committed.filter((worker) => worker.slot !== null).length;
  const others = committed.length - own;
  const blind = blindness(seen, config);
  if (blind !== null) {
    const blindSince = state.blindSince ?? state.readAt ?? now;
    return {
      state: { ...state, blindSince },
      actions: [],
      desired: own,
      hold: blind,
      reason: `${pool} ${own}: ${blindText(blind, now - blindSince)}, nothing is started or stopped`,
    };
  }
  const queue = seen.queue as QueueFacts;
  const coldStartMs = coldStartOf(state);
  const noStopBefore = recovery(state, now, config, coldStartMs);
  const usable = usableSlots(state.slots, now, seen.slots, workers);
  const fleet = fleetOf(committed, coldStartMs);
  const plan = policy.plan(state.policyState, now, queue, fleet);
  const next: ControllerState = {
    ...state,
    policyState: plan.undrained ?? plan.state,
    readAt: queue.at,
    blindSince: null,
    noStopBefore,
  };
  const alone = apartOf(queue, committed);
  const planned = queue.paused ? Math.min(plan.wanted, committed.length) : plan.wanted;
  const wanted = Math.max(planned, alone.wanted);
  const why = alone.because !== '' && alone.wanted >= planned ? alone.because : plan.because;
  const outside = outsideNote(queue.outside ?? []);
  const desired = Math.min(config.max, Math.max(config.min, wanted - others));
  const done = (actions: readonly Action[], to: number, because: string, hold: Hold = null): Decision => ({
    state: next,
    actions,
    desired,
    hold,
    reason: `${pool} ${to === own ? own : `${own}→${to}`}: ${because}${outside === '' ? '' : `; ${outside}`}`,
  });
  if (desired > own) {
    // A draining worker is a process too: never run more than --max.
    const draining = workers.filter((worker) => worker.phase === 'draining' && worker.slot !== null).length;
    const room = Math.max(0, Math.min(desired - own, config.max - own - draining));
    const actions = usable.slice(0, room).map((slot) => ({ kind: 'start' as const, slot }));
    const short = room - actions.length;
    const because = wanted - others < desired ? `--min ${config.min}` : why;
    const note = short > 0 ? `; ${shortText(state.slots, short, now)}` : '';
    return done(actions, own + actions.length, `${because}${note}`);
  }
  if (desired < own) {
    const victim = victimOf(committed);
    if (workers.some((worker) => worker.phase === 'draining' && worker.slot !== null)) {
      return done([], own, `${plan.because}; one drains already`);
    }
    if (noStopBefore !== null) {
      const left = formatSeconds((noStopBefore - now) / 1000);
      return done(
        [],
        own,
        `${plan.because}; nothing is stopped for ${left} after the blind time`,
        'recovering',
      );
    }
    if (victim !== undefined) {
      const because = own > config.max ? `--max ${config.max}` : plan.because;
      const decision = done([{ kind: 'drain', worker: victim.id }], own - 1, because);
      return { ...decision, state: { ...next, policyState: plan.state } };
    }
  }
  const capped = wanted - others > config.max ? `; wants ${wanted - others}, --max ${config.max}` : '';
  return done([], own, `${queue.paused ? 'paused, ' : ''}${why}${capped}`);
}

/**
 * Jobs that no ready worker can run but a new one may: one worker is started for them, whatever the policy
 * decides for the other jobs, and none is stopped until it is ready.
 */
function apartOf(
  { unserved = [], paused }: QueueFacts,
  committed: readonly WorkerView[],
): { wanted: number; because: string } {
  if (unserved.length === 0 || paused) return { wanted: 0, because: '' };
  const note = unservedNote(unserved);
  if (committed.some(({ phase, slot }) => phase === 'starting' && slot !== null))
    return { wanted: committed.length, because: `${note}; a worker is starting` };
  return { wanted: committed.length + 1, because: note };
}

/** State that does not depend on the queue: which workers became ready, and which slots failed. */
function look(state: ControllerState, { now, workers, failures }: Observation): ControllerState {
  const readySince: Record<string, number> = {};
  const coldStarts = [...state.coldStarts];
  for (const { id, phase, startedAt, readyAt } of workers) {
    const known = state.readySince[id];
    if (known !== undefined) readySince[id] = known;
    else if (phase === 'ready' || phase === 'busy') {
      readySince[id] = readyAt ?? now;
      // A worker that was ready before the first look says nothing, unless it reports when it became ready.
      if (readyAt !== null || state.starting.includes(id)) coldStarts.push((readyAt ?? now) - startedAt);
    }
  }
  return {
    ...state,
    readySince,
    starting: workers.filter((worker) => worker.phase === 'starting').map((worker) => worker.id),
    coldStarts: coldStarts.slice(-COLD_STARTS_KEPT),
    slots: updateSlots(state.slots, now, failures, workers, readySince),
  };
}

function blindness({ now, queue }: Observation, config: PolicyConfig): 'unreachable' | 'stale' | null {
  if (queue === null) return 'unreachable';
  return now - queue.at > STALE_TICKS * config.intervalMs ? 'stale' : null;
}

/** Until when nothing is stopped: set at the end of a time without data of more than a few ticks. */
function recovery(
  { blindSince, noStopBefore }: ControllerState,
  now: number,
  config: PolicyConfig,
  coldStartMs: number,
): number | null {
  if (blindSince !== null && now - blindSince > STALE_TICKS * config.intervalMs) {
    return now + Math.max(SETTLE_MS, SETTLE_COLD_STARTS * coldStartMs);
  }
  return noStopBefore !== null && now < noStopBefore ? noStopBefore : null;
}

/** The time that 9 of 10 starts did not exceed. */
function coldStartOf({ coldStarts }: ControllerState): number {
  if (coldStarts.length === 0) return COLD_START_PRIOR_MS;
  const sorted = [...coldStarts].sort((a, b) => a - b);
  return sorted[Math.ceil(0.9 * sorted.length) - 1] as number;
}

function fleetOf(committed: readonly WorkerView[], coldStartMs: number): Fleet {
  const starting = committed.filter((worker) => worker.phase === 'starting');
  return {
    committed: committed.length,
    ready: committed.length - starting.length,
    busy: committed.filter((worker) => worker.phase === 'busy').length,
    startingSince: starting.map((worker) => worker.startedAt),
    coldStartMs,
  };
}

/** The newest idle worker, else the newest; never one started by others. */
function victimOf(committed: readonly WorkerView[]): WorkerView | undefined {
  const own = committed.filter((worker) => worker.slot !== null).sort((a, b) => b.startedAt - a.startedAt);
  return own.find((worker) => worker.phase === 'ready') ?? own[0];
}

function blindText(hold: 'unreachable' | 'stale', forMs: number): string {
  return hold === 'unreachable'
    ? `the queue could not be read for ${formatSeconds(forMs / 1000)}`
    : `what is known of the queue is ${formatSeconds(forMs / 1000)} old`;
}

function shortText(records: SlotRecords, missing: number, now: number): string {
  const failed = Object.values(records).filter((record) => record.failed).length;
  const pauses = Object.values(records).filter((record) => !record.failed && record.retryAt > now);
  const next = Math.min(...pauses.map((record) => record.retryAt));
  const why = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(pauses.length > 0
      ? [`${pauses.length} back off, next try in ${formatSeconds((next - now) / 1000)}`]
      : []),
  ];
  return `no free slot for ${missing} more${why.length > 0 ? ` (${why.join(', ')})` : ''}`;
}
