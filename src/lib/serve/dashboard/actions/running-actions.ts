import { randomBytes } from 'node:crypto';
import { settledWithin } from '../../../core/bounded.js';
import { count, plural } from '../../../core/counts.js';
import { InferError, messageOf } from '../../../core/errors.js';
import type { OperationContext, Progress } from '../../../operations/operation.js';
import { perform } from '../../../operations/run.js';
import { Refusal } from '../../http/refusal.js';
import type { ActionState } from '../shapes.js';
import type { Planned } from './planned.js';
import type { Ticket } from './tickets.js';

/** Actions at a time, all callers together: each may keep Redis busy. */
const MOST_AT_ONCE = 4;
const AGAIN_S = '2';
/** Ended actions are shown for so many milliseconds. */
const SHOWN_MS = 10 * 60_000;
const MOST_SHOWN = 50;

interface Running {
  state: ActionState;
  stop: AbortController;
  done: Promise<void>;
  failure?: InferError;
}

/** What is asked for, by whom. */
export interface Begun {
  /** Takes its ticket, once there is room: a request that is to be sent again keeps it. */
  ticket(): Ticket;
  context: Omit<OperationContext, 'signal'>;
  /** Called when the audit log has no entry of it. */
  onUnaudited: (error: unknown) => void;
}

/** The actions of this server: those that run, with their progress, and the last that ended. */
export class RunningActions {
  private readonly known = new Map<string, Running>();

  /** @param now by Redis's clock, ms since the epoch */
  constructor(private readonly now: () => number) {}

  /** The newest first. */
  list(): ActionState[] {
    this.forget();
    return [...this.known.values()].map(({ state }) => ({ ...state })).reverse();
  }

  /** @throws InferError ACTION_UNKNOWN (404). */
  find(id: string): ActionState {
    return { ...this.get(id).state };
  }

  /** Stops it between two pages of jobs. @throws InferError ACTION_UNKNOWN (404). */
  stop(id: string): ActionState {
    const { stop, state } = this.get(id);
    stop.abort(new InferError('INTERRUPTED', 'someone stopped it on the dashboard'));
    return { ...state };
  }

  /** Stops all of them, and waits for them. */
  async close(ms: number): Promise<void> {
    const running = [...this.known.values()].filter(({ state }) => state.state === 'running');
    for (const { stop } of running) stop.abort(new InferError('DRAINING', 'the server is shutting down'));
    await settledWithin(ms, Promise.all(running.map(({ done }) => done)));
  }

  /**
   * Begins an action, and waits for its end for a while.
   * @throws InferError ACTION_LIMIT (429), ACTION_CHANGED (409) of the ticket; what the action throws in that time, such as ACTION_CHANGED (409)
   */
  async begin(begun: Begun, waitMs: number): Promise<ActionState> {
    this.forget();
    const running = [...this.known.values()].filter(({ state }) => state.state === 'running');
    if (running.length >= MOST_AT_ONCE) {
      throw new Refusal('ACTION_LIMIT', `${plural(running.length, 'action')} are running`, {
        hint: 'wait until one has ended',
        headers: { 'retry-after': AGAIN_S },
      });
    }
    const ticket = begun.ticket();
    const state: ActionState = {
      id: randomBytes(9).toString('base64url'),
      action: ticket.action,
      text: ticket.planned.text,
      who: ticket.who,
      startedAt: this.now(),
      endedAt: null,
      state: 'running',
      done: 0,
      total: ticket.planned.bound === 'least' ? null : ticket.planned.count,
      isMost: ticket.planned.bound === 'most',
      result: null,
      error: null,
    };
    const entry: Running = { state, stop: new AbortController(), done: Promise.resolve() };
    this.known.set(state.id, entry);
    entry.done = this.run(entry, ticket.planned, begun);
    await settledWithin(waitMs, entry.done);
    if (entry.failure !== undefined) throw entry.failure;
    return { ...state };
  }

  private async run(entry: Running, planned: Planned, { context, onUnaudited }: Begun): Promise<void> {
    const { state, stop } = entry;
    const { operation, limit } = planned;
    const report = (progress: Progress): void => {
      if (progress.kind === 'jobs') state.done = progress.changed ?? progress.done;
    };
    const onPlan = (plan: unknown): void => {
      const certain = limit?.certain(plan as never) ?? 0;
      if (limit !== undefined && certain > limit.most) throw changed(limit.most, certain);
    };
    try {
      const outcome: unknown = await perform(
        operation,
        { ...context, signal: stop.signal },
        { consent: async () => undefined, onPlan, report, onUnaudited },
      );
      const summary = operation.summary(outcome);
      state.done = summary.count;
      state.state = summary.outcome;
      state.result = summary.result;
    } catch (error) {
      const failure = error instanceof InferError ? error : new InferError('INTERNAL', messageOf(error));
      state.state = stop.signal.aborted ? 'stopped' : 'failed';
      state.result = failure.message;
      state.error = { code: failure.code, message: failure.message, hint: failure.hint ?? null };
      if (!stop.signal.aborted) entry.failure = failure;
    } finally {
      state.endedAt = this.now();
    }
  }

  private get(id: string): Running {
    const found = this.known.get(id);
    if (found !== undefined) return found;
    throw new InferError('ACTION_UNKNOWN', 'there is no action of this id', {
      hint: 'the audit log has what was done',
    });
  }

  private forget(): void {
    const old = this.now() - SHOWN_MS;
    const ended = [...this.known.values()].filter(({ state }) => state.endedAt !== null);
    for (const [i, { state }] of ended.entries()) {
      if ((state.endedAt ?? 0) < old || i < ended.length - MOST_SHOWN) this.known.delete(state.id);
    }
  }
}

function changed(shown: number, now: number): InferError {
  return new InferError(
    'ACTION_CHANGED',
    `it would now change ${count(now)}, and ${count(shown)} were shown: nothing was done`,
    {
      hint: 'look at the new preview',
    },
  );
}
