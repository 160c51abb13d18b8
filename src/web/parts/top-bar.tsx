import type { ComponentChildren } from 'preact';
import { freshnessOf } from '../state/freshness.js';
import { useDashboard, useNow, useObservable } from '../state/hooks.js';
import { chooseTheme, type Theme, theme } from '../state/theme.js';
import { Name } from './name.js';
import { Status } from './status.js';

/** Which deployment this is, and how old the figures are. */
export function TopBar({ children }: { children: ComponentChildren }) {
  const about = useObservable(useDashboard().about);
  return (
    <header class="top">
      {children}
      <span class="brand">infer</span>
      {about && about.redis !== '' && (
        <span class="where" title="Address of Redis, and the prefix of the deployment">
          {about.redis}
          {about.prefix !== 'infer' && ` · ${about.prefix}`}
        </span>
      )}
      <span class="push row">
        <Freshness />
      </span>
    </header>
  );
}

/** Whether the page is live, and the age of what it shows. */
function Freshness() {
  const dashboard = useDashboard();
  const state = useObservable(dashboard.stream);
  const received = useObservable(dashboard.received);
  useNow();
  const paused = state.kind === 'paused';
  return (
    <span class="row live">
      <Status {...freshnessOf(state.kind, received, Date.now())} />
      <button
        type="button"
        class="small"
        onClick={() => (paused || state.kind === 'waiting' ? dashboard.start() : dashboard.pause())}
      >
        {paused ? 'Resume' : state.kind === 'waiting' ? 'Connect now' : 'Pause'}
      </button>
    </span>
  );
}

/** How the page looks, and who reads it. */
export function Preferences() {
  const dashboard = useDashboard();
  const about = useObservable(dashboard.about);
  const caller = about?.caller;
  return (
    <div class="preferences">
      <ThemeChoice />
      {about?.tokens && caller && (
        <button type="button" class="small" onClick={() => dashboard.signOut()}>
          Sign out
          {caller.name !== null && (
            <>
              {' '}
              <Name text={caller.name} />
            </>
          )}
        </button>
      )}
    </div>
  );
}

function ThemeChoice() {
  const chosen = useObservable(theme);
  return (
    <>
      <label for="theme" class="visually-hidden">
        Theme
      </label>
      <select
        id="theme"
        value={chosen}
        onChange={(event) => chooseTheme(window, event.currentTarget.value as Theme)}
      >
        <option value="system">System theme</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </>
  );
}
