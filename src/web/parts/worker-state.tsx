import type { WorkerRow } from '../../lib/serve/dashboard/shapes.js';
import { duration } from '../format/units.js';
import { ActionButton } from './action-button.js';
import { Status } from './status.js';

/** `0.4 s`: of the same unit while all is well, so that a column of them is calm. */
export function beatAge(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

export function WorkerState({ row: { state, silent, active } }: { row: WorkerRow }) {
  if (silent) return <Status tone="bad" text="silent" />;
  if (state === 'draining') return <Status tone="warn" text="draining" />;
  if (state === 'starting') return <Status tone="busy" text="starting" />;
  return active > 0 ? <Status tone="busy" text="busy" /> : <Status tone="good" text="ready" />;
}

export function WorkerButtons({ row: { id, name } }: { row: WorkerRow }) {
  return (
    <span class="row">
      <ActionButton action={{ action: 'restart', worker: id }} label={`Restart worker ${name}`}>
        Restart
      </ActionButton>
      <ActionButton danger action={{ action: 'drain', worker: id }} label={`Drain worker ${name}`}>
        Drain
      </ActionButton>
    </span>
  );
}
