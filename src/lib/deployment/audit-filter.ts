import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { AuditEntry } from '../queue/audit.js';

/** Rejects a filter by an action or person that does not occur in the log. @throws InferError FILTER (2). */
export function refuseUnheardOf(
  all: readonly AuditEntry[],
  actions: readonly string[] | undefined,
  people: readonly string[] | undefined,
): void {
  refuse('action', actions, [...new Set(all.map(({ action }) => action))]);
  refuse('person', people, [...new Set(all.map(({ who }) => who))]);
}

function refuse(kind: string, wanted: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = wanted?.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = closestWord(unknown, known);
  const meant = near === undefined ? '' : `did you mean ${near}? `;
  throw new InferError('FILTER', `the audit log has no ${kind} '${printable(unknown)}'`, {
    hint: `${meant}It has: ${[...known].sort().join(', ')}`,
  });
}
