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
  /** Actions begun here, by id, as they were last seen. */
  readonly begun = new Observable<readonly ActionState[]>([]);

  constructor(private readonly api: Pick<Api, 'post'>) {}

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

  /** Takes the newest state of actions that were begun here. */
  follow(states: readonly ActionState[]): void {
    const newest = new Map(states.map((state) => [state.id, state]));
    const old = this.begun.value;
    const next = old.map((state) => newest.get(state.id) ?? state);
    if (next.some((state, index) => state !== old[index])) this.begun.set(next);
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
  }
}

function problemOfError(error: unknown): RequestProblem {
  return error instanceof RequestError ? error.problem : UNREACHABLE;
}
