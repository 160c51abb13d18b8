import { useEffect, useRef, useState } from 'preact/hooks';
import type { Action } from '../../lib/serve/dashboard/shapes.js';
import type { Question } from '../state/actions.js';
import { useDashboard, useObservable } from '../state/hooks.js';
import { ProblemNotice } from './notice.js';

const VERBS: Readonly<Record<Action['action'], string>> = {
  pause: 'Pause queue',
  resume: 'Resume queue',
  purge: 'Purge queue',
  drain: 'Drain worker',
  restart: 'Restart worker',
  concurrency: 'Set concurrency',
  load: 'Load model',
  unload: 'Unload model',
  retry: 'Run again',
  cancel: 'Cancel jobs',
  priority: 'Set priority',
};

/** Asks before an action that destroys or interrupts something, and says what it will touch. */
export function ConfirmDialog() {
  const { actions } = useDashboard();
  const question = useObservable(actions.question);
  const dialog = useRef<HTMLDialogElement>(null);
  const open = question !== undefined;
  useEffect(() => {
    // Both return the focus to the button that was pressed.
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="confirm-title"
      aria-describedby="confirm-text"
      onClose={() => actions.dismiss()}
    >
      {question && <Form key={question.preview.ticket} question={question} />}
    </dialog>
  );
}

function Form({ question: { preview, problem, sending } }: { question: Question }) {
  const { actions } = useDashboard();
  const [typed, setTyped] = useState('');
  const { action } = preview;
  const one = action.action === 'cancel' && 'id' in action;
  const verb = one ? 'Cancel job' : VERBS[action.action];
  const wanted = preview.typeToConfirm;
  // With a lower bound, more may be found.
  const isNothing = preview.count === 0 && preview.bound !== 'least';
  const ready = !sending && !isNothing && (wanted === null || typed === wanted);
  return (
    <form
      class="stack question"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void actions.confirm();
      }}
    >
      <h2 id="confirm-title">{verb}</h2>
      <p id="confirm-text">
        {preview.text}
        {isNothing && ' There is nothing to do.'}
      </p>
      {problem && <ProblemNotice problem={problem} />}
      {wanted !== null && (
        <p class="field">
          <label for="confirm-word">
            Type <code>{wanted}</code> to confirm
          </label>
          <input
            id="confirm-word"
            autocomplete="off"
            spellcheck={false}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </p>
      )}
      <div class="actions">
        <button type="button" onClick={() => actions.dismiss()}>
          {isNothing ? 'Close' : 'Keep as it is'}
        </button>
        {!isNothing && (
          <button type="submit" class="danger" disabled={!ready}>
            {sending ? 'Sending …' : verb}
          </button>
        )}
      </div>
    </form>
  );
}
