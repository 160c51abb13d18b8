import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './place.mjs';

export const DIGIT_LINES = readFileSync(join(ROOT, 'examples', 'digits.ndjson'), 'utf8')
  .trim()
  .split('\n');

/** @type {number[][]} */
const DIGIT_ROWS = DIGIT_LINES.map((line) => JSON.parse(line).pixels);

const ROWS = Float32Array.from(DIGIT_ROWS.flat());
const CHUNK_ROWS = 256;

/** @param {number} i */
export function digitRow(i) {
  return /** @type {number[]} */ (DIGIT_ROWS[i % DIGIT_ROWS.length]);
}

/**
 * `rows` rows in the chunks that a file of them would become.
 * @param {number} rows
 */
export async function* digitChunks(rows) {
  const data = new Uint8Array(ROWS.buffer, 0, CHUNK_ROWS * 64 * 4);
  for (let at = 0; at < rows; at += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, rows - at);
    const tensor = { name: 'pixels', type: /** @type {const} */ ('float32'), shape: [64] };
    yield { rows: count, tensors: [{ ...tensor, data: data.subarray(0, count * 64 * 4) }] };
  }
}
