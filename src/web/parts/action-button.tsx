import type { ComponentChildren } from 'preact';
import type { Action } from '../../lib/serve/dashboard/shapes.js';
import { useControl, useDashboard, useObservable } from '../state/hooks.js';
import { Command } from './notice.js';

/** Begins an action. Not there at all for those who may not. */
export function ActionButton(props: {
  action: Action;
  /** What a screen reader says, where the visible words do not name the object. */
  label?: string;
  danger?: boolean;
  children: ComponentChildren;
}) {
  const { actions } = useDashboard();
  if (!useControl()) return null;
  return (
    <button
      type="button"
      class={props.danger ? 'small danger' : 'small'}
      aria-label={props.label}
      onClick={() => void actions.begin(props.action)}
    >
      {props.children}
    </button>
  );
}

/** Why there are no buttons, for those who look for them; nothing if there are. */
export function NoControlNote() {
  const about = useObservable(useDashboard().about);
  if (useControl() || about === undefined) return null;
  return (
    <p class="foot">
      {about.control ? (
        <>
          Your token only reads. Actions need one with the scope <code>control</code>:{' '}
          <Command text="infer token create NAME --scope read:all --scope control --token-file FILE" />
        </>
      ) : (
        <>
          Actions are off. Start this server with{' '}
          <Command text={`infer ${about.server} --allow-control --token-file FILE`} />
        </>
      )}
    </p>
  );
}
