import type { ComponentChildren } from 'preact';

export interface TileProps {
  title: string;
  /** What is meant, on hover. */
  hint?: string;
  value: string;
  unit?: string;
  note?: ComponentChildren;
  tone?: 'bad' | 'warn' | undefined;
}

/** One figure, its unit, and one line that explains it. */
export function Tile({ title, hint, value, unit, note, tone }: TileProps) {
  return (
    <div class={tone === undefined ? 'tile' : `tile ${tone}`}>
      <dt title={hint}>{title}</dt>
      <dd class="value">
        {value}
        {unit !== undefined && <span class="unit"> {unit}</span>}
      </dd>
      {note !== undefined && <dd class="note">{note}</dd>}
    </div>
  );
}

export function Tiles({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <section aria-label={label}>
      <dl class="tiles">{children}</dl>
    </section>
  );
}

/** A part of a page that has not been read yet. */
export function Reading({ what }: { what: string }) {
  return <p class="quiet">Reading {what} …</p>;
}

/** A share as a bar; its value is written beside it. */
export function ShareBar({ share }: { share: number }) {
  return (
    <svg class="bar" viewBox="0 0 64 8" preserveAspectRatio="none" aria-hidden="true">
      <rect width={Math.max(0, Math.min(1, share)) * 64} height="8" />
    </svg>
  );
}

/** A list of facts; those that are undefined are left out. */
export function Facts({ facts }: { facts: readonly [string, ComponentChildren | undefined][] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
