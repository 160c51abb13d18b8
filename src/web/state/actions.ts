import type { Action, ActionPreview, ActionRequest, ActionState } from '../../lib/serve/dashboard/shapes.js';
import type { Api } from '../stream/api.js';
import { RequestError, type RequestProblem, UNREACHABLE } from '../stream/problem.js';
import { Observable } from './observable.js';

/** A question to the reader: whether to do what the preview says. */
export interface Question {
  preview: ActionPreview;
  /** What went wrong with the last try. */
  problem: RequestProblem | undefined;
  sending: boolean;
}

/**
 * Actions from the click to the outcome. Each is first previewed by the server, which says what it would touch. What
 * destroys or interrupts something, or touches many jobs, is asked about; all else is done at once.
 */
export class Actions {
  readonly question = new Observable<Question | undefined>(undefined);
  /** Why the last action could not be begun. */
  readonly problem = new Observable<RequestProblem | undefined>(undefined);
  /** Actions that are in progress, by whomever they were begun, and the ended ones that were seen in progress or begun here. */
  readonly begun = new Observable<readonly ActionState[]>([]);
  /** Counts actions that began or ended: what the page shows may have changed. */
  readonly changes = new Observable(0);

  constructor(private readonly api: Pick<Api, 'get' | 'post'>) {}

  async begin(action: Action): Promise<void> {
    this.problem.set(undefined);
    try {
      const preview = await this.api.post<ActionPreview>('api/actions/preview', action);
      // Jobs chosen by a filter may be many: how many is shown before, also for what destroys nothing.
      const asks = preview.destructive || 'filter' in action;
      if (asks) this.question.set({ preview, problem: undefined, sending: false });
      else await this.send(preview);
    } catch (error) {
      this.problem.set(problemOfError(error));
    }
  }

  async confirm(): Promise<void> {
    const question = this.question.value;
    if (question === undefined || question.sending) return;
    this.question.set({ ...question, problem: undefined, sending: true });
    try {
      await this.send(question.preview);
      this.question.set(undefined);
    } catch (error) {
      const problem = problemOfError(error);
      // What it would touch has changed: show what it would touch now, and ask again.
      const preview =
        problem.code === 'ACTION_CHANGED' ? await this.again(question.preview) : question.preview;
      this.question.set({ preview, problem, sending: false });
    }
  }

  dismiss(): void {
    this.question.set(undefined);
    this.problem.set(undefined);
  }

  async stop(id: string): Promise<void> {
    try {
      this.keep(await this.api.post<ActionState>(`api/actions/${encodeURIComponent(id)}/stop`, {}));
    } catch (error) {
      this.problem.set(problemOfError(error));
    }
  }

  /**
   * Takes the newest states: of actions that were begun here, and of those in progress that were begun by others, or on
   * this page before it was loaded again.
   * @param at when the server made this list
   */
  follow(states: readonly ActionState[], at: number): void {
    const newest = new Map(states.map((state) => [state.id, state]));
    const known = new Set(this.begun.value.map(({ id }) => id));
    const others = states.filter(({ id, state }) => state === 'running' && !known.has(id));
    // The list has the newest first.
    this.update((old) => newest.get(old.id) ?? (old.startedAt < at ? lost(old) : old), others.reverse());
  }

  /** Asks for the actions in progress, while no stream tells of them. */
  async refresh(): Promise<void> {
    for (const { id, state } of this.begun.value) {
      if (state !== 'running') continue;
      try {
        const now = await this.api.get<ActionState>(`api/actions/${encodeURIComponent(id)}`);
        this.update((old) => (old.id === id ? now : old));
      } catch (error) {
        if (problemOfError(error).status === 404) this.update((old) => (old.id === id ? lost(old) : old));
      }
    }
  }

  forget(id: string): void {
    this.begun.set(this.begun.value.filter((state) => state.id !== id));
  }

  private async send({ action, ticket }: ActionPreview): Promise<void> {
    const request: ActionRequest = { action, ticket };
    this.keep(await this.api.post<ActionState>('api/actions', request));
  }

  private async again(old: ActionPreview): Promise<ActionPreview> {
    return this.api.post<ActionPreview>('api/actions/preview', old.action).catch(() => old);
  }

  private keep(state: ActionState): void {
    this.begun.set([...this.begun.value.filter(({ id }) => id !== state.id), state]);
    this.changes.set(this.changes.value + 1);
  }

  private update(newer: (old: ActionState) => ActionState, others: readonly ActionState[] = []): void {
    const old = this.begun.value;
    const next = [...old.map(newer), ...others];
    const isSame = (one: ActionState, index: number) =>
      one.state === old[index]?.state && one.done === old[index]?.done;
    if (next.length === old.length && next.every(isSame)) return;
    this.begun.set(next);
    const ends = old.filter(({ state }, index) => state === 'running' && next[index]?.state !== 'running');
    if (ends.length + others.length > 0) this.changes.set(this.changes.value + 1);
  }
}

/** An action of which its server knows nothing any more. */
function lost(state: ActionState): ActionState {
  if (state.state !== 'running') return state;
  const message = 'The server was restarted while this was in progress, which ended it.';
  const hint = 'The audit log has what was done by then.';
  return { ...state, state: 'failed', error: { code: 'ACTION_UNKNOWN', message, hint } };
}

function problemOfError(error: unknown): RequestProblem {
  return error instanceof RequestError ? error.problem : UNREACHABLE;
}
