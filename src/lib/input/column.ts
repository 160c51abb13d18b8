import { createHash } from 'node:crypto';
import type { TensorSignature } from '../model/signature.js';
import { ELEMENT_BYTES, encodeStrings, type RowTensor } from '../model/tensor.js';
import { elementError } from './element-error.js';
import {
  CODECS,
  type ElementCodec,
  firstRefused,
  holdsType,
  type NumericArray,
  type NumericType,
} from './elements.js';
import { asRow, fixedCount, isList, measure, shapeError } from './wanted.js';

/** Where a row stands, from its number: `line 12`, `row 3`, or undefined for an only row. */
export type Where = (row: number) => string | undefined;

function bytesOf(array: NumericArray, elements: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, elements * array.BYTES_PER_ELEMENT);
}

/** Copies a nested list of exactly `shape` into `target`; false when it is ragged. */
function flatten(value: unknown, shape: readonly number[], axis: number, target: unknown[]): boolean {
  if (axis === shape.length) {
    if (isList(value)) return false;
    target.push(value);
    return true;
  }
  if (!isList(value) || value.length !== shape[axis]) return false;
  for (let i = 0; i < value.length; i++) if (!flatten(value[i], shape, axis + 1, target)) return false;
  return true;
}

/**
 * The elements of a value of shape `dims` in row-major order, uncopied when it is flat.
 * Undefined when it is ragged.
 */
export function flatElements(value: unknown, dims: readonly number[]): ArrayLike<unknown> | undefined {
  if (dims.length === 0) return [value];
  if (dims.length === 1)
    return (value as ArrayLike<unknown>).length === dims[0] ? (value as ArrayLike<unknown>) : undefined;
  const elements: unknown[] = [];
  return flatten(value, dims, 0, elements) ? elements : undefined;
}

/** Writes a flat list; a typed array of the same type is copied as bytes. -1 or the first refused. */
export function writeElements(
  codec: ElementCodec,
  type: NumericType,
  target: NumericArray,
  at: number,
  values: ArrayLike<unknown>,
): number {
  if (Array.isArray(values) || !holdsType(values, type)) return codec.write(target, at, values);
  const bits =
    values.constructor === target.constructor
      ? values
      : new (target.constructor as Uint16ArrayConstructor)(
          values.buffer as ArrayBuffer,
          values.byteOffset,
          values.length,
        );
  const refused = firstRefused(bits, type);
  if (refused < 0) (target as Uint8Array).set(bits as Uint8Array, at);
  return refused;
}

/** An input of numbers whose row shape is known: rows are written in place, nothing made per row. */
export class FixedColumn {
  readonly rowBytes: number;
  private readonly count: number;
  private readonly codec: ElementCodec;
  private storage: NumericArray | undefined;

  constructor(
    readonly input: TensorSignature,
    private readonly model: string,
    private readonly where: Where,
    /** A row's memory may change once it was written. */
    private readonly copies: boolean,
  ) {
    this.count = fixedCount(input.shape) as number;
    this.codec = CODECS[input.type as NumericType];
    this.rowBytes = this.count * ELEMENT_BYTES[input.type];
  }

  /** Writes a row at `slot`; the chunk has room for `capacity`. Nothing is kept when it throws. */
  write(value: unknown, slot: number, capacity: number, row: number): void {
    const alone = capacity === 1 && !this.copies;
    if (alone && holdsType(value, this.input.type as NumericType) && value.length === this.count) {
      this.adopt(value, row);
      return;
    }
    let flat: ArrayLike<unknown>;
    if (this.input.shape.length === 1 && Array.isArray(value) && value.length === this.count) flat = value;
    else flat = this.elements(value, row);
    this.storage ??= this.codec.allocate(capacity * this.count);
    const refused = writeElements(
      this.codec,
      this.input.type as NumericType,
      this.storage,
      slot * this.count,
      flat,
    );
    if (refused >= 0) this.refuse(value, flat, refused, row);
  }

  take(rows: number): RowTensor {
    const storage = this.storage ?? this.codec.allocate(0);
    this.storage = undefined;
    const shape = this.input.shape as number[];
    return {
      name: this.input.name,
      type: this.input.type,
      shape: [...shape],
      data: bytesOf(storage, rows * this.count),
    };
  }

  /** An only row in a typed array of the right type is used as it is, uncopied. */
  private adopt(value: NumericArray, row: number): void {
    const refused = firstRefused(value, this.input.type as NumericType);
    if (refused >= 0) this.refuse(value, value, refused, row);
    this.storage = value;
  }

  private elements(value: unknown, row: number): ArrayLike<unknown> {
    const dims = measure(value);
    const flat = asRow(dims, this.input.shape) === undefined ? undefined : flatElements(value, dims);
    if (flat === undefined) throw shapeError(value, this.input, this.model, this.where(row));
    return flat;
  }

  private refuse(value: unknown, flat: ArrayLike<unknown>, index: number, row: number): never {
    if (isList(flat[index])) throw shapeError(value, this.input, this.model, this.where(row));
    throw elementError(flat[index], index, this.input, this.model, this.where(row));
  }
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Index of the first element that is not text of valid UTF-8 without NUL, or -1. */
export function firstBadText(values: ArrayLike<unknown>): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'string' || value.includes('\0') || LONE_SURROGATE.test(value)) return i;
  }
  return -1;
}

/** A row of one input, encoded. */
export interface StagedRow {
  shape: number[];
  data: Uint8Array;
  /** What rows of one chunk have in common: the shape, and of a shared input the value too. */
  key: string;
}

/** Longer shared values are compared by their digest. */
const KEY_BYTES = 64;

/**
 * An input whose row is not known beforehand in bytes or shape (text, a dimension that varies), or
 * that all rows share: a row is encoded first, and what it is decides which chunk it joins.
 */
export class StagedColumn {
  private last: StagedRow = { shape: [], data: new Uint8Array(0), key: '' };
  private lastValue: unknown;

  constructor(
    readonly input: TensorSignature,
    private readonly model: string,
    private readonly where: Where,
  ) {}

  /** Encodes a row. A shared list that is the very one of the row before is not encoded again. */
  stage(value: unknown, row: number): StagedRow {
    const { shared } = this.input;
    if (shared && value === this.lastValue && isList(value)) return this.last;
    const dims = measure(value);
    const shape = asRow(dims, this.input.shape);
    const flat = shape === undefined ? undefined : flatElements(value, dims);
    if (shape === undefined || flat === undefined)
      throw shapeError(value, this.input, this.model, this.where(row));
    const data = this.encode(value, flat, row);
    const key = shared ? `${shape.join('x')}=${sharedKey(data)}` : shape.join('x');
    this.last = { shape: [...shape], data, key };
    this.lastValue = value;
    return this.last;
  }

  private encode(value: unknown, flat: ArrayLike<unknown>, row: number): Uint8Array {
    let refused: number;
    if (this.input.type === 'string') {
      refused = firstBadText(flat);
      if (refused < 0) return encodeStrings(flat as ArrayLike<string> as string[]);
    } else if (holdsType(flat, this.input.type)) {
      refused = firstRefused(flat, this.input.type);
      if (refused < 0) return bytesOf(flat, flat.length);
    } else {
      const codec = CODECS[this.input.type];
      const storage = codec.allocate(flat.length);
      refused = codec.write(storage, 0, flat);
      if (refused < 0) return bytesOf(storage, flat.length);
    }
    if (isList(flat[refused])) throw shapeError(value, this.input, this.model, this.where(row));
    throw elementError(flat[refused], refused, this.input, this.model, this.where(row));
  }
}

function sharedKey(data: Uint8Array): string {
  if (data.byteLength > KEY_BYTES) return createHash('sha256').update(data).digest('base64');
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
}
