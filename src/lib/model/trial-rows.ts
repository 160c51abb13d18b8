import { toHalf } from './elements.js';
import { ARRAYS, type HostTensor, type NumberArray, type TensorData, toBytes, toModel } from './layout.js';
import { type DataType, ELEMENT_BYTES, elementCount, encodeStrings, isFloat } from './tensor.js';

/**
 * Rows for the trial of a model: random, all different, and the same for every load.
 *
 * - `plain`: around 0.5, deviation 1
 * - `opposite`: the same with the sign flipped, so that sums over rows change theirs
 * - `large`: fifty times `opposite`: widens any range computed over a whole run
 * - `unit`: between 0 and 1, like images and probabilities
 * - `zero`: zeros, like padding
 */
export type RowKind = 'plain' | 'opposite' | 'large' | 'unit' | 'zero';

/** An input for which rows are generated: its shape is that of one row. */
export interface RowInput {
  name: string;
  type: DataType;
  shape: readonly number[];
  /** Length of the open dimensions, for inputs that contain a sequence length; 0 if there are none. */
  length: number;
  /** The default elements from model.json. */
  default?: TensorData;
}

/** Values of one row by input name. */
export type Row = ReadonlyMap<string, TensorData>;

/**
 * Upper ends (exclusive) of the integers, tried one after another until the model runs: indexes of an
 * embedding must be within its table. Strings are words first, then numbers below the end.
 */
export const INT_ENDS = [1000, 100, 10, 2] as const;

const LARGE = 50;
const MASK = /mask/i;
const BITS = /token_type|segment/i;
const LENGTH = /len(?:gth)?s?$|_sizes?$/i;
const RATE = /^sr$|sample_?rate/i;
const RATE_HZ = 16_000;

/** Marsaglia's xorshift, 32 bits: the same numbers on every machine. */
export function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A normal deviate by Box and Muller's method. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function makeRow(
  inputs: readonly RowInput[],
  kind: RowKind,
  level: number,
  random: () => number,
): Row {
  return new Map(inputs.map((input) => [input.name, makeValues(input, kind, level, random)]));
}

/** Values of an input without a batch axis: a rate, a number of steps. Ones, since zero hides what it scales. */
export function makeShared(input: RowInput, level: number, random: () => number): TensorData {
  if (input.default !== undefined) return input.default;
  if (isFloat(input.type)) return makeValues(input, 'unit', level, random);
  if (input.type === 'string') return makeValues(input, 'plain', level, random);
  if (RATE.test(input.name)) return filled(input, () => RATE_HZ);
  return filled(input, () => (level + 1 < INT_ENDS.length ? 1 : 0));
}

function makeValues(input: RowInput, kind: RowKind, level: number, random: () => number): TensorData {
  const { name, type } = input;
  const end = INT_ENDS[Math.min(level, INT_ENDS.length - 1)] as number;
  // Floats may be anything, such as a state; for a rate or an index, only the default is known to be valid.
  if (input.default !== undefined && !isFloat(type)) return input.default;
  if (type === 'string') return words(input, kind, level, random);
  if (MASK.test(name)) return filled(input, (i) => (i === 0 || (kind !== 'zero' && random() < 0.75) ? 1 : 0));
  if (type === 'bool' || BITS.test(name)) return filled(input, () => (random() < 0.5 ? 1 : 0));
  const float = isFloat(type);
  if (!float && LENGTH.test(name) && input.length > 0) {
    return filled(input, () => Math.max(1, input.length - Math.floor((random() * input.length) / 2)));
  }
  // Floats that are cast to indexes are rare, but they fail in the same way.
  if (float && level === 0) return filled(input, () => floatOf(kind, random));
  const bytes = !float && level === 0 && ELEMENT_BYTES[type] === 1;
  if (bytes) return filled(input, () => byteOf(type, kind, random));
  return filled(input, () => integerOf(kind, end, random));
}

function floatOf(kind: RowKind, random: () => number): number {
  if (kind === 'zero') return 0;
  if (kind === 'unit') return random();
  const value = 0.5 + normal(random);
  return kind === 'plain' ? value : kind === 'opposite' ? -value : -LARGE * value;
}

function byteOf(type: DataType, kind: RowKind, random: () => number): number {
  if (kind === 'zero') return 0;
  const size = kind === 'large' ? 256 : kind === 'opposite' ? 128 : 16;
  const value = Math.floor(random() * size);
  return type === 'int8' ? value - size / 2 : kind === 'opposite' ? 255 - value : value;
}

function integerOf(kind: RowKind, end: number, random: () => number): number {
  if (kind === 'zero') return 0;
  const size = kind === 'large' ? end : Math.min(end, Math.max(10, Math.floor(end / LARGE)));
  const value = Math.floor(random() * size);
  return kind === 'opposite' ? end - 1 - value : value;
}

const WORDS = [
  'alpha',
  'beta',
  'gamma',
  'delta',
  'the cat sat',
  'Zürich',
  'x',
  'a much longer text of ten words',
];

function words(input: RowInput, kind: RowKind, level: number, random: () => number): string[] {
  const count = elementCount(input.shape);
  const end = INT_ENDS[Math.min(level, INT_ENDS.length - 1)] as number;
  return Array.from({ length: count }, () => {
    if (kind === 'zero') return level === 0 ? '' : '0';
    const number = integerOf(kind, end, random);
    return level === 0 ? `${WORDS[number % WORDS.length]} ${number}` : String(number);
  });
}

function filled(input: RowInput, value: (index: number) => number): TensorData {
  const count = elementCount(input.shape);
  const data = new ARRAYS[input.type as Exclude<DataType, 'string'>](count);
  for (let i = 0; i < count; i++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value(i));
    else data[i] = input.type === 'float16' ? toHalf(value(i)) : value(i);
  }
  return data;
}

/** The model's input for these rows in their order, in its own layout. */
export function feedRows(
  inputs: readonly Pick<RowInput, 'name' | 'type' | 'shape'>[],
  axes: ReadonlyMap<string, number | null>,
  rows: readonly Row[],
  shared: Row,
): Record<string, HostTensor> {
  return Object.fromEntries(
    inputs.map(({ name, type, shape }) => {
      const axis = axes.get(name) ?? null;
      const parts = axis === null ? [shared.get(name)] : rows.map((row) => row.get(name));
      const data =
        type === 'string' ? encodeStrings(parts.flat() as string[]) : joined(parts as TensorData[]);
      return [name, toModel({ name, type, shape: [...shape], data }, rows.length, axis)];
    }),
  );
}

function joined(parts: readonly TensorData[]): Uint8Array {
  const bytes = parts.map(toBytes);
  const all = new Uint8Array(bytes.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of bytes) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

/** Whether two rows have the same values in every input: such a pair proves nothing. */
export function alike(a: Row, b: Row): boolean {
  return [...a].every(([name, values]) => {
    const other = b.get(name) as TensorData;
    return (values as NumberArray).every((value, i) => value === other[i]);
  });
}
