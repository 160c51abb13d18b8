import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Part } from '../../lib/serve/dashboard/shapes.js';
import { isCommand } from '../format/command.js';
import { printable } from '../format/printable.js';
import { sentence } from '../format/units.js';
import type { RequestProblem } from '../stream/problem.js';
import { Ago } from './time.js';

/** Something that needs attention, and what to do about it. */
export function Notice(props: {
  tone?: 'warn' | 'bad' | 'quiet';
  children: ComponentChildren;
  fix?: string | null | undefined;
  role?: 'alert' | 'status';
}) {
  const { tone = 'warn', children, fix, role } = props;
  return (
    <div class={`notice ${tone}`} role={role}>
      <div>{children}</div>
      {fix && (
        <p>
          <Command text={fix} />
        </p>
      )}
    </div>
  );
}

/** A command to type, with a button that copies it; text that is no command is shown as it is. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  if (!isCommand(text)) return <span>{sentence(text)}</span>;
  const copy = async () => {
    // As it is shown: a name in it may hold what a terminal obeys.
    await navigator.clipboard.writeText(printable(text));
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <span class="command">
      <code>{text}</code>
      {/* A page that is not on HTTPS or this computer has no clipboard. */}
      {window.isSecureContext && (
        <button type="button" class="small" aria-label={`Copy ${text}`} onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      )}
    </span>
  );
}

/** A request that failed. */
export function ProblemNotice({ problem, retry }: { problem: RequestProblem; retry?: () => void }) {
  return (
    <Notice tone="bad" role="alert" fix={problem.hint}>
      {problem.message} <span class="muted">({problem.code})</span>{' '}
      {retry && (
        <button type="button" class="small" onClick={retry}>
          Try again
        </button>
      )}
    </Notice>
  );
}

/** Says that a part of the page is not current, and why. Nothing while all is well. */
export function PartNotice({ part, what }: { part: Part<unknown> | undefined; what: string }) {
  if (part === undefined || part.error === null) return null;
  const { error, at } = part;
  return (
    <Notice role="status" fix={error.hint}>
      {what} cannot be read: {error.message}.{' '}
      {at !== null && (
        <>
          Shown as of <Ago at={at} />.
        </>
      )}
    </Notice>
  );
}

/** Says that there is nothing to show, and what to type for something to appear. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string | undefined }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command !== undefined && (
        <p>
          <Command text={command} />
        </p>
      )}
    </div>
  );
}
