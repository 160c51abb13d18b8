import { useState } from 'preact/hooks';
import { Command, ProblemNotice } from '../parts/notice.js';
import { useDashboard } from '../state/hooks.js';
import type { RequestProblem } from '../stream/problem.js';

/** Asks for a token, where the server wants one. */
export function SignInPage({ problem }: { problem: RequestProblem }) {
  const dashboard = useDashboard();
  const [token, setToken] = useState('');
  // Without a token the refusal says only what the page asks for anyway.
  const sent = dashboard.hasToken();
  return (
    <main class="sign-in stack">
      <h1>infer dashboard</h1>
      {sent && <ProblemNotice problem={problem} />}
      <p>
        This dashboard needs a token that may read all jobs. It is kept in this tab only, until you close it.
      </p>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== '') dashboard.signIn(token);
        }}
      >
        <p class="field">
          <label for="token">Token</label>
          <input
            id="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </p>
        <button type="submit" class="primary" disabled={token.trim() === ''}>
          Open the dashboard
        </button>
      </form>
      <p class="muted">The operator of the dashboard can create one:</p>
      <p>
        <Command text="infer token create NAME --scope read:all --token-file FILE" />
      </p>
    </main>
  );
}
