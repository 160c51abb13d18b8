import { badInput } from '../core/errors.js';
import type { ModelSignature } from '../model/signature.js';
import { type Payload, sliceRows } from '../model/tensor.js';
import { FixedColumn, StagedColumn, type Where } from './column.js';
import { describe, fixedCount, inputNames, isFields, nearest, shownName } from './wanted.js';

/** When a chunk is full. One row always fits, whatever its size. */
export interface ChunkLimits {
  chunkRows: number;
  chunkBytes: number;
}

/** 256 rows of a small model are 64 KiB; 1 MiB is about two 224 x 224 colour images in float32. */
export const DEFAULT_CHUNKS: ChunkLimits = { chunkRows: 256, chunkBytes: 1024 * 1024 };

/** One payload whatever its size: for the library's callers, who hold all rows anyway. */
export const ONE_CHUNK: ChunkLimits = {
  chunkRows: Number.MAX_SAFE_INTEGER,
  chunkBytes: Number.MAX_SAFE_INTEGER,
};

/** What becomes of fields that are no input of the model. */
export type Extras = 'refuse' | 'ignore';

/**
 * Packs rows into payloads. A chunk ends at its limits, or before a row that cannot share it
 * (another row shape, another shared value). A row that is refused leaves the chunk as it was, so
 * a caller may go on with the next row.
 */
export class ChunkBuilder {
  /** Finished chunks; the caller empties it. */
  readonly ready: Payload[] = [];
  private readonly fixed: { column: FixedColumn; index: number }[] = [];
  private readonly staged: { column: StagedColumn; index: number }[] = [];
  private readonly columns: (FixedColumn | StagedColumn)[];
  private readonly scratch: unknown[];
  private readonly capacity: number;
  private readonly fixedBytes: number;
  private rows = 0;
  private bytes = 0;

  /** `expectedRows`, where known, keeps a single row from taking a whole chunk's memory. */
  constructor(
    private readonly signature: ModelSignature,
    private readonly limits: ChunkLimits,
    private readonly where: Where,
    expectedRows = Number.POSITIVE_INFINITY,
  ) {
    this.columns = signature.inputs.map((input, index) => {
      if (!input.shared && input.type !== 'string' && fixedCount(input.shape) !== undefined) {
        const column = new FixedColumn(input, signature.name, where);
        this.fixed.push({ column, index });
        return column;
      }
      const column = new StagedColumn(input, signature.name, where);
      this.staged.push({ column, index });
      return column;
    });
    this.scratch = this.columns.map(() => undefined);
    this.fixedBytes = this.fixed.reduce((sum, { column }) => sum + column.rowBytes, 0);
    const byBytes = Math.max(1, Math.floor(limits.chunkBytes / Math.max(1, this.fixedBytes)));
    this.capacity = Math.min(limits.chunkRows, byBytes, expectedRows);
  }

  /**
   * Adds a row: an object of named inputs, or the bare value of a model's only input.
   * @throws InferError INPUT_* (exit 65) naming `where(row)`.
   */
  addRow(value: unknown, row: number, extras: Extras): void {
    const { inputs } = this.signature;
    if (isFields(value)) {
      checkFields(value, this.signature, extras, this.where(row));
      for (let i = 0; i < inputs.length; i++) this.scratch[i] = value[(inputs[i] as { name: string }).name];
    } else if (inputs.length === 1) this.scratch[0] = value;
    else throw notNamed(value, this.signature, this.where(row));
    this.addValues(this.scratch, row);
  }

  /** Adds a row given as one value an input, in the signature's order. */
  addValues(values: readonly unknown[], row: number): void {
    if (this.rows >= this.capacity) this.flush();
    let bytes = this.fixedBytes;
    if (this.staged.length > 0) {
      let differs = false;
      for (const { column, index } of this.staged) {
        bytes += column.stage(values[index], row);
        differs ||= column.differs;
      }
      if (this.rows > 0 && (differs || this.bytes + bytes > this.limits.chunkBytes)) this.flush();
    }
    for (const { column, index } of this.fixed) column.write(values[index], this.rows, this.capacity, row);
    for (const { column } of this.staged) column.commit();
    this.rows += 1;
    this.bytes += bytes;
  }

  /** Ends the chunk being filled, if it has rows. */
  flush(): void {
    if (this.rows === 0) return;
    this.ready.push({ rows: this.rows, tensors: this.columns.map((column) => column.take(this.rows)) });
    this.rows = 0;
    this.bytes = 0;
  }

  /** The finished chunks, handed over. */
  drain(): Payload[] {
    return this.ready.splice(0);
  }
}

function notNamed(value: unknown, signature: ModelSignature, where: string | undefined): Error {
  return badInput(
    'INPUT_NAMES',
    `${describe(value)} found; model ${signature.name} takes ${signature.inputs.length} named inputs: ${inputNames(signature)}`,
    {
      where,
      hint: `write each row as an object: {"${signature.inputs[0]?.name}": ..., "${signature.inputs[1]?.name}": ...}`,
    },
  );
}

const HOSTILE = ['__proto__', 'constructor'];

/** @throws InferError INPUT_KEY for names that would reach an object's prototype in careless code. */
export function refuseHostile(fields: object, where: string | undefined): void {
  for (const name of HOSTILE) {
    if (Object.hasOwn(fields, name)) {
      throw badInput('INPUT_KEY', `a field is named '${name}', which is refused`, {
        where,
        hint: 'rename or remove that field',
      });
    }
  }
}

/** @throws InferError INPUT_NAMES unless every input is there, and (`refuse`) nothing else is. */
export function checkFields(
  fields: object,
  signature: ModelSignature,
  extras: Extras,
  where: string | undefined,
): void {
  refuseHostile(fields, where);
  const { inputs, name: model } = signature;
  for (const input of inputs) {
    if (Object.hasOwn(fields, input.name)) continue;
    const others = Object.keys(fields).filter((name) => inputs.every((other) => other.name !== name));
    const near = nearest(input.name, others);
    throw badInput('INPUT_NAMES', `no '${input.name}' found; model ${model} takes ${inputNames(signature)}`, {
      where,
      hint:
        near === undefined
          ? `add a field "${input.name}"`
          : `did you mean '${input.name}' where '${shownName(near)}' is written?`,
    });
  }
  if (extras === 'ignore') return;
  for (const name of Object.keys(fields)) {
    if (inputs.some((input) => input.name === name)) continue;
    throw badInput(
      'INPUT_NAMES',
      `'${shownName(name)}' is no input of model ${model}; it takes ${inputNames(signature)}`,
      {
        where,
        hint: 'remove that field, or write one row a line (NDJSON), where other fields are left out',
      },
    );
  }
}

/** A payload in pieces within the limits, sharing its memory; rows of text may weigh unequally. */
export function chunkRows(payload: Payload, limits: ChunkLimits = DEFAULT_CHUNKS): Payload[] {
  const bytes = payload.tensors.reduce(
    (sum, tensor) => sum + (tensor.shared ? 0 : tensor.data.byteLength),
    0,
  );
  const perRow = bytes / payload.rows;
  const step = Math.max(1, Math.min(limits.chunkRows, Math.floor(limits.chunkBytes / Math.max(1, perRow))));
  const pieces: Payload[] = [];
  for (let from = 0; from < payload.rows; from += step) {
    pieces.push(sliceRows(payload, from, Math.min(payload.rows, from + step)));
  }
  return pieces;
}
