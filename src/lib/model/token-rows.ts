import { bucketOf, type TextPlan, type TokenInput, type TokenType } from '../task/text-plan.js';
import { toElements } from './layout.js';
import { ELEMENT_BYTES, type RowTensor, rowShape, rowStarts } from './tensor.js';

/**
 * Most tokens of a job with padding up to its longest row: 100 MB as the three inputs of BERT. With 100,000 short rows, one
 * of 512 tokens would otherwise take 1.2 GB.
 */
const MOST_PADDED = 4_194_304;
/** Adjacent rows that are padded alike in a larger job, so that they still share runs. */
const BLOCK_ROWS = 256;

/** Rows of token ids, each as long as it is: what the preparing process gives. */
export function idRows(rows: readonly (readonly number[])[]): RowTensor {
  const data = Int32Array.from(rows.flat());
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name: 'ids', type: 'int32', shape: [], shapes: rows.map(({ length }) => [length]), data: bytes };
}

/**
 * The model's inputs of rows of token ids, all of one length where the plan allows padding: that of the longest row,
 * rounded up; of the longest among its neighbours where that would take too much memory. Otherwise each row keeps its own.
 */
export function tokenTensors(plan: TextPlan, ids: RowTensor, rows: number): RowTensor[] {
  const own = Array.from({ length: rows }, (_, row) => rowShape(ids, row)[0] ?? 0);
  const { lengths, maxLength } = plan;
  const to =
    lengths === 'buckets'
      ? bucketed(own, maxLength)
      : own.map((length) => (lengths === 'own' ? length : lengths));
  const places = { ids: toElements('int32', ids.data) as Int32Array, starts: rowStarts(ids, rows), own, to };
  const { inputs, padId } = plan;
  const made: RowTensor[] = [];
  const add = (input: TokenInput | undefined, pad: number, value: (index: number, at: number) => number) => {
    if (input !== undefined) made.push(tensorOf(input, plan, places, pad, value));
  };
  add(inputs.ids, padId, (index) => places.ids[index] as number);
  add(inputs.mask, 0, () => 1);
  add(inputs.types, 0, () => 0);
  add(inputs.positions, 0, (_, at) => at);
  return made;
}

/** The length of each row with padding: one for all rows, else for each block of them, else its own. */
function bucketed(own: readonly number[], most: number): number[] {
  for (const block of [own.length, BLOCK_ROWS]) {
    const to = inBlocks(own, block, most);
    if (to.reduce((sum, length) => sum + length, 0) <= MOST_PADDED) return to;
  }
  return inBlocks(own, 1, most);
}

function inBlocks(own: readonly number[], block: number, most: number): number[] {
  const to: number[] = [];
  for (let from = 0; from < own.length; from += block) {
    const end = Math.min(own.length, from + block);
    let longest = 0;
    for (let row = from; row < end; row++) longest = Math.max(longest, own[row] as number);
    const length = bucketOf(longest, most);
    for (let row = from; row < end; row++) to.push(length);
  }
  return to;
}

interface Places {
  ids: Int32Array;
  /** Where each row begins in `ids`. */
  starts: readonly number[];
  /** Its tokens, and its length with padding. */
  own: number[];
  to: number[];
}

function tensorOf(
  { name, type, lead }: TokenInput,
  { padSide }: TextPlan,
  { starts, own, to }: Places,
  pad: number,
  value: (index: number, at: number) => number,
): RowTensor {
  const total = to.reduce((sum, length) => sum + length, 0);
  const { data, put } = storage(type, total);
  let begin = 0;
  for (const [row, length] of to.entries()) {
    const tokens = own[row] as number;
    const before = padSide === 'left' ? length - tokens : 0;
    for (let i = 0; i < length; i++) {
      const at = i - before;
      put(begin + i, at >= 0 && at < tokens ? value((starts[row] as number) + at, at) : pad);
    }
    begin += length;
  }
  const ones = new Array<number>(lead).fill(1);
  const [first = 0] = to;
  if (to.every((length) => length === first)) return { name, type, shape: [...ones, first], data };
  return { name, type, shape: [], shapes: to.map((length) => [...ones, length]), data };
}

/** Memory for elements of a type. None is negative, so the low half of an int64 is all that is written. */
function storage(type: TokenType, count: number): { data: Uint8Array; put(at: number, value: number): void } {
  const data = new Uint8Array(count * ELEMENT_BYTES[type]);
  if (type === 'int64') {
    const halves = new Int32Array(data.buffer);
    return { data, put: (at, value) => (halves[at * 2] = value) };
  }
  const elements =
    type === 'bool' ? data : type === 'int32' ? new Int32Array(data.buffer) : new Float32Array(data.buffer);
  return { data, put: (at, value) => (elements[at] = value) };
}
