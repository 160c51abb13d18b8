import { createHash } from 'node:crypto';
import {
  bytesOf,
  CODECS,
  type ElementCodec,
  encodeElements,
  firstRefused,
  holdsType,
  type NumericArray,
  type NumericType,
  writeElements,
} from '../model/elements.js';
import { asRow, fixedCount, flatElements, isList, measure } from '../model/row-shape.js';
import type { TensorSignature } from '../model/signature.js';
import { ELEMENT_BYTES, type RowTensor } from '../model/tensor.js';
import { elementError } from './element-error.js';
import { shapeError } from './wanted.js';

/** Describes a row's position by its number: `line 12`, `row 3`, or undefined for a single row. */
export type Where = (row: number) => string | undefined;

/** Reads a file named in a row. @param where the place of the row, for messages. @throws InferError INPUT_MISSING, INPUT_UNREADABLE. */
export type ReadFile = (path: string, where: string | undefined) => Uint8Array;

/** How the values of rows are accepted. */
export interface Taking {
  /** The memory of a row may change after it was added: copy it. */
  copies: boolean;
  /** Lists may contain non-finite numbers. */
  exact: boolean;
  /** Text in place of an image is the path of a file, which this reads [it is base64]. */
  readFile?: ReadFile | undefined;
}

/** A numeric input with a known row shape: rows are written in place, without allocations per row. */
export class FixedColumn {
  readonly rowBytes: number;
  private readonly count: number;
  private readonly codec: ElementCodec;
  private storage: NumericArray | undefined;

  constructor(
    readonly input: TensorSignature,
    private readonly model: string,
    private readonly where: Where,
    private readonly taking: Taking,
  ) {
    this.count = fixedCount(input.shape) as number;
    this.codec = CODECS[input.type as NumericType];
    this.rowBytes = this.count * ELEMENT_BYTES[input.type];
  }

  /** Writes a row at `slot`; the chunk has room for `capacity`. Nothing is kept when it throws. */
  write(value: unknown, slot: number, capacity: number, row: number): void {
    const alone = capacity === 1 && !this.taking.copies;
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
      this.taking.exact,
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

  /** A single row in a typed array of the right type is used without copying. */
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

/** A row of one input, encoded. */
export interface StagedRow {
  shape: number[];
  data: Uint8Array;
  /** What rows of one chunk have in common: the shape and, for a shared input, the value. */
  key: string;
  /** What it counts for in the size of a chunk [the bytes of `data`]. */
  weight?: number;
}

/** Longer shared values are compared by digest. */
const KEY_BYTES = 64;

/**
 * An input whose row has no known size or shape (text, a varying dimension), or that all rows share: a row is
 * encoded first, and the result decides which chunk it joins.
 */
export class StagedColumn {
  private last: StagedRow = { shape: [], data: new Uint8Array(0), key: '' };
  private lastValue: unknown;

  constructor(
    readonly input: TensorSignature,
    private readonly model: string,
    private readonly where: Where,
    private readonly taking: Taking,
  ) {}

  /**
   * Encodes a row. A shared list that is the same object as in the previous row is not encoded again, unless
   * it may have changed.
   */
  stage(value: unknown, row: number): StagedRow {
    const { shared } = this.input;
    if (shared && !this.taking.copies && value === this.lastValue && isList(value)) return this.last;
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
    const encoded = encodeElements(this.input.type, flat, this.taking.exact);
    if ('data' in encoded) return encoded.data;
    const { refused } = encoded;
    if (isList(flat[refused])) throw shapeError(value, this.input, this.model, this.where(row));
    throw elementError(flat[refused], refused, this.input, this.model, this.where(row));
  }
}

function sharedKey(data: Uint8Array): string {
  if (data.byteLength > KEY_BYTES) return createHash('sha256').update(data).digest('base64');
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
}
