import { count } from '../../core/counts.js';
import type { AuditEntry } from '../../queue/audit.js';
import type { ListView } from '../output/list-format.js';
import { isoTime } from './job-lists.js';

const FORMATS = { partial: 'yellow', failed: 'red' } as const;

/** Operator actions, newest first. */
export const auditList: ListView<AuditEntry> = {
  columns: [
    { title: 'WHEN', cell: ({ at }) => isoTime(at) },
    { title: 'WHO', cell: ({ who }) => who },
    { title: 'HOST', wide: true, cell: ({ host }) => host },
    { title: 'CHANNEL', wide: true, cell: ({ channel }) => channel },
    { title: 'ACTION', cell: ({ action }) => action },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'DETAIL', optional: true, cell: ({ detail }) => detail || '-' },
    {
      title: 'COUNT',
      wide: true,
      align: 'right',
      cell: ({ count: changed }) => (changed === null ? '-' : count(changed)),
    },
    {
      title: 'RESULT',
      cell: ({ outcome, result }) => (outcome === 'ok' ? result : { text: result, format: FORMATS[outcome] }),
    },
  ],
  name: ({ action, target }) => `${action} ${target}`,
  empty: 'no actions in the log',
};
