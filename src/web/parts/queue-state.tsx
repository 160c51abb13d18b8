import type { JobState, QueueRow } from '../../lib/serve/dashboard/shapes.js';
import { count, duration, shortCount } from '../format/units.js';
import { routeHref } from '../route.js';
import { ActionButton } from './action-button.js';
import { Status } from './status.js';

export function QueueState({ row }: { row: QueueRow }) {
  const state = stateOf(row);
  const tone = {
    paused: 'warn',
    'no worker': 'bad',
    growing: 'warn',
    working: 'busy',
    idle: 'good',
  } as const;
  return <Status tone={tone[state]} text={state} />;
}

export function stateOf({ paused, workers, waiting, active, growing }: QueueRow) {
  if (paused) return 'paused';
  if (waiting > 0 && workers === 0) return 'no worker';
  if (growing) return 'growing';
  return active > 0 || waiting > 0 ? 'working' : 'idle';
}

/** Time until no job waits, or why it is not known. */
export function drainOf({ waiting, etaMs, growing }: QueueRow): string {
  if (waiting === 0) return duration(null);
  return etaMs === null ? (growing ? 'growing' : 'unknown') : duration(etaMs);
}

/** `9: 12, 4: 1,300`, the most urgent first. */
export function prioritiesOf(byPriority: readonly number[]): string {
  const parts = byPriority.flatMap((jobs, priority) =>
    jobs > 0 ? [`${priority}: ${shortCount(jobs)}`] : [],
  );
  return parts.length === 0 ? duration(null) : parts.reverse().join(', ');
}

/** How many jobs of a state there are; leads to them. */
export function JobsLink({ state, row }: { state: JobState; row: QueueRow }) {
  const jobs = row[state];
  if (jobs === 0) return <>0</>;
  return <a href={routeHref('jobs', undefined, { state, queue: row.name })}>{count(jobs)}</a>;
}

export function WorkersLink({ row: { workers, name } }: { row: QueueRow }) {
  return <a href={routeHref('workers', undefined, { queue: name })}>{count(workers)}</a>;
}

export function QueueActions({ row: { name, paused } }: { row: QueueRow }) {
  return (
    <span class="row">
      {paused ? (
        <ActionButton action={{ action: 'resume', queue: name }} label={`Resume queue ${name}`}>
          Resume
        </ActionButton>
      ) : (
        <ActionButton action={{ action: 'pause', queue: name }} label={`Pause queue ${name}`}>
          Pause
        </ActionButton>
      )}
      <ActionButton
        danger
        action={{ action: 'purge', queue: name, states: ['waiting', 'delayed'] }}
        label={`Purge the waiting jobs of queue ${name}`}
      >
        Purge
      </ActionButton>
    </span>
  );
}
