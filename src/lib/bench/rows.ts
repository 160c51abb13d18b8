import { InferError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import { defaultTensor } from '../model/defaults.js';
import { CODECS, INTEGER_BOUNDS } from '../model/elements.js';
import { toBytes } from '../model/layout.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../model/signature.js';
import {
  type DataType,
  ELEMENT_BYTES,
  elementCount,
  encodeBytes,
  encodeStrings,
  type Payload,
  type RowTensor,
  sliceRows,
} from '../model/tensor.js';
import { makeShared } from '../model/trial-rows.js';
import { samplePng } from '../task/sample-image.js';
import { rowShapeOf, type ShapesByInput } from './row-shapes.js';

/** Rows to be sent repeatedly. */
export interface RowPool {
  /** Their source, for display. */
  source: string;
  /** Each row as a separate payload. */
  singles: Payload[];
  /** The same rows in chunks, as in a group. */
  chunks: Payload[];
}

const POOL_ROWS = 256;
const POOL_BYTES = 1024 * 1024;
/** Integers stay below this if the type allows more: token and category ids usually start small. */
const INTEGER_END = 100;
/** Pixels along a side of a random image. */
const IMAGE_SIDE = 224;
const WORD_LETTERS = 8;
/** Words of a row of a model that takes texts. */
const TEXT_WORDS = 16;

export function poolOf(source: string, chunks: readonly Payload[]): RowPool {
  const singles = chunks.flatMap((chunk) =>
    Array.from({ length: chunk.rows }, (_, row) => sliceRows(chunk, row, row + 1)),
  );
  return { source, singles, chunks: [...chunks] };
}

/** `rows` rows of the pool's chunks, repeated; the last chunk is cut to fit. */
export function* chunksOf(pool: RowPool, rows: number): Generator<Payload> {
  for (let left = rows, at = 0; left > 0; at++) {
    const chunk = pool.chunks[at % pool.chunks.length] as Payload;
    yield sliceRows(chunk, 0, Math.min(left, chunk.rows));
    left -= chunk.rows;
  }
}

/**
 * Random rows with a model's types and shapes: numbers in [0, 1), integers below 100, words of eight letters.
 * Open dimensions have the given sizes, else those of the trial at load. An input shared by all rows, a rate
 * or a number of steps, is as in that trial. At most 256 rows and 1 MiB.
 * @throws InferError BENCH_DATA (2) for a model that takes JSON, whose fields cannot be guessed.
 */
export function randomRows(
  signature: ModelSignature,
  random: Random,
  { rows = POOL_ROWS, shapes }: { rows?: number; shapes?: ShapesByInput | undefined } = {},
): Payload {
  if (takesJson(signature)) {
    throw new InferError(
      'BENCH_DATA',
      `model '${signature.name}' takes JSON, for which no rows can be generated`,
      { hint: '--data FILE, with rows it understands' },
    );
  }
  const inputs = signature.inputs.map((input) => ({ input, shape: rowShapeOf(input, signature, shapes) }));
  const rowBytes = inputs.reduce(
    (sum, { input, shape }) => sum + (input.shared ? 0 : elementCount(shape) * elementBytes(input)),
    0,
  );
  const fitting = Math.max(1, Math.min(rows, Math.floor(POOL_BYTES / Math.max(1, rowBytes))));
  return { rows: fitting, tensors: inputs.map(({ input, shape }) => rowsOf(input, shape, fitting, random)) };
}

/**
 * Random rows; the default if there is one, because for a rate or an index only that is known to be valid.
 */
function rowsOf(input: TensorSignature, shape: number[], rows: number, random: Random): RowTensor {
  const { name, type } = input;
  if (input.default !== undefined) return defaultTensor(input, rows);
  if (input.shared) {
    const data = toBytes(makeShared({ name, type, shape, length: 0 }, 0, random));
    return { name, type, shape, shared: true, data };
  }
  const count = elementCount(shape) * rows;
  if (input.role === 'image') return { name, type, shape, role: 'image', data: randomImages(count, random) };
  const words = input.role === 'text' ? TEXT_WORDS : 1;
  const data = type === 'string' ? randomWords(count, words, random) : randomElements(type, count, random);
  return { name, type, shape, data };
}

function elementBytes({ type, role }: TensorSignature): number {
  if (role === 'image') return IMAGE_SIDE ** 2 * 3;
  if (role === 'text') return 4 + TEXT_WORDS * (WORD_LETTERS + 1);
  return type === 'string' ? 4 + WORD_LETTERS : ELEMENT_BYTES[type];
}

function randomElements(type: Exclude<DataType, 'string'>, count: number, random: Random): Uint8Array {
  const codec = CODECS[type];
  const array = codec.allocate(count);
  const value = randomValue(type, random);
  for (let at = 0; at < count; at++) codec.write(array, at, [value()]);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function randomValue(type: DataType, random: Random): () => number | boolean {
  if (type === 'bool') return () => random() < 0.5;
  if (type.startsWith('float')) return random;
  const end = Math.min(INTEGER_END, (INTEGER_BOUNDS[type]?.[1] ?? INTEGER_END) + 1);
  return () => Math.floor(random() * end);
}

/** PNG files of random pixels: they take as long to decode as any, and are as large. */
function randomImages(count: number, random: Random): Uint8Array {
  const files = Array.from({ length: count }, () => samplePng(IMAGE_SIDE, random));
  return encodeBytes(files);
}

/** Texts of this many words. */
function randomWords(count: number, words: number, random: Random): Uint8Array {
  const letter = () => String.fromCharCode(97 + Math.floor(random() * 26));
  const word = () => Array.from({ length: WORD_LETTERS }, letter).join('');
  const text = () => Array.from({ length: words }, word).join(' ');
  return encodeStrings(Array.from({ length: count }, text));
}
