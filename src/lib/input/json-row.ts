import { badInput } from '../core/errors.js';
import { isList } from '../model/row-shape.js';
import { refuseHostile } from './chunk-builder.js';
import { shownName, tooDeep } from './wanted.js';

/** A row for a model that takes JSON: checked here, since no tensor signature checks it. */

/**
 * Walks a JSON value. Recursion stops at `maxDepth`, so no input can overflow the stack.
 * @throws InferError INPUT_TOO_DEEP, INPUT_KEY, INPUT_VALUE (a number that JSON cannot represent).
 */
export function checkJsonValue(value: unknown, maxDepth: number, where: string | undefined, depth = 0): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw badInput('INPUT_VALUE', 'a number is NaN, infinite or too large', {
      where,
      hint: 'replace values that are not finite before submitting',
    });
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth === maxDepth) throw tooDeep(maxDepth, where);
  if (Array.isArray(value)) {
    for (const item of value) checkJsonValue(item, maxDepth, where, depth + 1);
    return;
  }
  refuseHostile(value, where);
  for (const item of Object.values(value)) checkJsonValue(item, maxDepth, where, depth + 1);
}

/** The JSON text of one row. @throws InferError INPUT_TYPE for values without a JSON form. */
export function jsonRowText(value: unknown, maxDepth: number, where: string | undefined): string {
  checkJsonValue(value, maxDepth, where);
  let text: string | undefined;
  try {
    if (!isList(value) || Array.isArray(value)) text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  if (text === undefined) {
    const kind =
      typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value;
    throw badInput('INPUT_TYPE', `a value (${shownName(kind)}) has no JSON form`, {
      where,
      hint: 'give plain objects, lists, text, finite numbers, true, false or null',
    });
  }
  return text;
}
