import { useEffect } from 'preact/hooks';
import type { ActionState } from '../../lib/serve/dashboard/shapes.js';
import { count } from '../format/units.js';
import { useControl, useDashboard, useObservable, useSnapshot } from '../state/hooks.js';
import { Name } from './name.js';
import { Notice, ProblemNotice } from './notice.js';

/** How long the outcome of an action that went well stays. */
const SHOWN_MS = 8000;

/** How often actions in progress are asked for, while the page holds still. */
const ASK_MS = 1000;

/** Progress and outcome of actions: of those begun here, and of all others that are in progress. */
export function Outcomes() {
  const { actions, stream } = useDashboard();
  const begun = useObservable(actions.begun);
  const problem = useObservable(actions.problem);
  const newest = useSnapshot();
  const isPaused = useObservable(stream).kind === 'paused';
  const isRunning = begun.some(({ state }) => state === 'running');
  useEffect(() => {
    if (newest !== undefined) actions.follow(newest.actions, newest.at);
  }, [actions, newest]);
  useEffect(() => {
    if (!isPaused || !isRunning) return;
    const timer = setInterval(() => void actions.refresh(), ASK_MS);
    return () => clearInterval(timer);
  }, [actions, isPaused, isRunning]);
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
  const { actions, about } = useDashboard();
  const me = useObservable(about)?.caller?.name;
  const mayStop = useControl();
  const { id, who, total, text, result, error } = state;
  useEffect(() => {
    if (state.state !== 'ok') return;
    const timer = setTimeout(() => actions.forget(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [actions, id, state.state]);
  const runs = state.state === 'running';
  const tone = runs || state.state === 'ok' ? 'quiet' : state.state === 'failed' ? 'bad' : 'warn';
  const isLong = runs && (total === null || total > 1);
  return (
    <Notice tone={tone} fix={error?.hint}>
      <div class="row between">
        <span>
          {who !== me && (
            <>
              <Name text={who} />:{' '}
            </>
          )}
          {runs ? text : (error?.message ?? result ?? text)}
        </span>
        {runs ? (
          isLong &&
          mayStop && (
            <button
              type="button"
              class="small"
              aria-label={`Stop: ${text}`}
              onClick={() => void actions.stop(id)}
            >
              Stop
            </button>
          )
        ) : (
          <button type="button" class="small" onClick={() => actions.forget(id)}>
            Dismiss
          </button>
        )}
      </div>
      {isLong && <Done state={state} />}
    </Notice>
  );
}

/** How far an action has come; a screen reader is not told of every step. */
function Done({ state: { text, done, total, isMost } }: { state: ActionState }) {
  const of = total === null ? '' : ` of ${isMost ? 'at most ' : ''}${count(total)}`;
  return (
    <div class="progress">
      <progress aria-label={text} {...(total === null ? {} : { value: Math.min(done, total), max: total })} />
      <span aria-hidden="true" class="muted">
        {count(done)}
        {of} done
      </span>
    </div>
  );
}
