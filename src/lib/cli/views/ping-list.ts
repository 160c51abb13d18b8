import { formatDuration } from '../../core/units.js';
import type { Pong } from '../../deployment/ping.js';
import type { ListView } from '../output/list-format.js';
import { aliveCell } from './worker-list.js';

/** `infer inspect ping`. */
export const pingList: ListView<Pong> = {
  columns: [
    { title: 'WORKER', cell: ({ name }) => name },
    {
      title: 'ANSWER',
      cell: ({ answered }) =>
        answered ? { text: 'ok', format: 'green' } : { text: 'no answer', format: 'red' },
    },
    { title: 'AFTER', align: 'right', cell: ({ ms }) => (ms === null ? '-' : formatDuration(ms)) },
    { title: 'STATE', cell: ({ state, silent }) => aliveCell(state, silent) },
    { title: 'HOST', cell: ({ host }) => host },
    { title: 'PID', align: 'right', cell: ({ pid }) => String(pid) },
    { title: 'ID', wide: true, cell: ({ id }) => id },
  ],
  name: ({ name }) => name,
  empty: 'no worker is running: infer worker starts one',
};
