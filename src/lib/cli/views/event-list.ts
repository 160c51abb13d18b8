import type { DeploymentEvent } from '../../queue/events/types.js';
import type { ListView } from '../output/list-format.js';
import { secondTime } from './times.js';

/** Events, oldest first, as in a log. */
export const eventList: ListView<DeploymentEvent> = {
  columns: [
    { title: 'WHEN', cell: ({ at }) => secondTime(at) },
    { title: 'EVENT', cell: ({ kind, alarm }) => (alarm ? { text: kind, format: 'red' } : kind) },
    { title: 'OF', wide: true, cell: ({ subject: { kind, name } }) => `${kind} ${name}` },
    { title: 'WHAT', cell: ({ text }) => text },
  ],
  name: ({ id }) => id,
  empty: 'no events: workers write one when they start (infer worker)',
};

/** One event as a line of a log that is followed. */
export function eventLine({ at, kind, text }: DeploymentEvent): string {
  return `${secondTime(at)}  ${kind.padEnd(KIND_WIDTH)}  ${text}`;
}

/** The longest kinds fit. */
const KIND_WIDTH = 18;
