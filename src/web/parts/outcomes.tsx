import { useEffect } from 'preact/hooks';
import type { ActionState } from '../../lib/serve/dashboard/shapes.js';
import { count } from '../format/units.js';
import { useDashboard, useObservable, useSnapshot } from '../state/hooks.js';
import { Notice, ProblemNotice } from './notice.js';

/** How long the outcome of an action that went well stays. */
const SHOWN_MS = 8000;

/** Progress and outcome of the actions that were begun in this tab. */
export function Outcomes() {
  const { actions } = useDashboard();
  const begun = useObservable(actions.begun);
  const problem = useObservable(actions.problem);
  const newest = useSnapshot()?.actions;
  useEffect(() => {
    if (newest !== undefined) actions.follow(newest);
  }, [actions, newest]);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {problem && (
        <div>
          <ProblemNotice problem={problem} />
          <button type="button" class="small" onClick={() => actions.dismiss()}>
            Dismiss
          </button>
        </div>
      )}
      {begun.map((state) => (
        <Outcome key={state.id} state={state} />
      ))}
    </div>
  );
}

function Outcome({ state }: { state: ActionState }) {
  const { actions } = useDashboard();
  const { id, done, total, text, result, error } = state;
  useEffect(() => {
    if (state.state !== 'ok') return;
    const timer = setTimeout(() => actions.forget(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [actions, id, state.state]);
  const runs = state.state === 'running';
  const tone = runs || state.state === 'ok' ? 'quiet' : state.state === 'failed' ? 'bad' : 'warn';
  return (
    <Notice tone={tone} fix={error?.hint}>
      <div class="row between">
        <span>
          {runs ? text : (error?.message ?? result ?? text)}
          {runs && total !== null && total > 1 && ` ${count(done)} of ${count(total)} done.`}
        </span>
        {runs ? (
          total !== null &&
          total > 1 && (
            <button type="button" class="small" onClick={() => void actions.stop(id)}>
              Stop
            </button>
          )
        ) : (
          <button type="button" class="small" onClick={() => actions.forget(id)}>
            Dismiss
          </button>
        )}
      </div>
    </Notice>
  );
}
