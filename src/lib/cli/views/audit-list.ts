import type { AuditEntry } from '../../queue/audit.js';
import type { ListView } from '../output/list-format.js';
import { isoTime } from './job-lists.js';

/** Steering actions, newest first. */
export const auditList: ListView<AuditEntry> = {
  columns: [
    { title: 'WHEN', cell: ({ at }) => isoTime(at) },
    { title: 'WHO', cell: ({ who }) => who },
    { title: 'HOST', wide: true, cell: ({ host }) => host },
    { title: 'ACTION', cell: ({ action }) => action },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'DETAIL', optional: true, cell: ({ detail }) => detail || '-' },
    { title: 'RESULT', cell: ({ ok, result }) => (ok ? result : { text: result, format: 'red' }) },
  ],
  name: ({ action, target }) => `${action} ${target}`,
  empty: 'nothing was steered, as far as the log goes back',
};
