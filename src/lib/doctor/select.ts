import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { type Check, TOPICS } from './check.js';

/**
 * The checks of the given topics and ids, in the order of the catalogue; all when none is given.
 * @throws InferError CHECK_UNKNOWN (exit 2), with a suggestion.
 */
export function selectChecks(catalogue: readonly Check[], words: readonly string[]): Check[] {
  if (words.length === 0) return [...catalogue];
  for (const word of words) {
    if (catalogue.some((check) => matches(check, word))) continue;
    const near = closestWord(word, [...TOPICS, ...catalogue.map((check) => check.id)]);
    throw new InferError('CHECK_UNKNOWN', `there is no topic or check '${printable(word)}'`, {
      hint:
        near === undefined
          ? `topics: ${TOPICS.join(', ')}; infer doctor --list shows all checks`
          : `did you mean ${near}? infer doctor --list shows all`,
    });
  }
  return catalogue.filter((check) => words.some((word) => matches(check, word)));
}

function matches(check: Check, word: string): boolean {
  return check.topic === word || check.id === word;
}
