import { createHash } from 'node:crypto';
import { InferError } from '../../../core/errors.js';

const KEY = /^"((?:[^"\\]|\\["\\])*)"$/;
const LONGEST_KEY = 255;

/**
 * The value of `Idempotency-Key`, quoted as in the draft, or bare; undefined if there is none.
 * @throws InferError PARAMETER (400) if it is empty or too long.
 */
export function idempotencyKey(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = [header].flat().join(',').trim();
  const key = KEY.exec(text)?.[1] ?? text;
  if (key !== '' && key.length <= LONGEST_KEY) return key;
  throw new InferError('PARAMETER', `Idempotency-Key: it has 1 to ${LONGEST_KEY} characters`, {
    hint: 'send a new UUID for each request, and the same one when you repeat it',
  });
}

/**
 * The id of the job for a submitter's key. It depends on nothing else, so that every gateway finds the same
 * job and no further state is kept: a key is valid as long as the record of its job.
 */
export function idOfKey(owner: string | undefined, key: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([owner ?? null, key]))
    .digest('hex');
  return `key-${digest.slice(0, 32)}`;
}

const KEY_ID = /^key-[0-9a-f]{32}(?:-|$)/;

/** Whether an id is one that `idOfKey` makes, or may be that of a chunk of such a group. */
export function isKeyId(id: string): boolean {
  return KEY_ID.test(id);
}

/**
 * Digest of a request: the same for the same input and options, whatever the order and spacing of the JSON.
 * 128 bits; it is stored with the job, because the input is not kept after the job has ended.
 */
export function digestOf(request: Readonly<Record<string, unknown>>): string {
  const hash = createHash('sha256');
  hash.update(canonical(request));
  return hash.digest('base64url').slice(0, 22);
}

/** JSON with the members of objects in sorted order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    // Rows of numbers are most of a request and need no sorting.
    if (value.every((one) => typeof one === 'number')) return JSON.stringify(value);
    return `[${value.map(canonical).join(',')}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
