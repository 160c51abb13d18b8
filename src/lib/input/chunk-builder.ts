import { badInput } from '../core/errors.js';
import { defaultOf } from '../model/defaults.js';
import { fixedCount } from '../model/row-shape.js';
import type { ModelSignature, TensorSignature } from '../model/signature.js';
import { type Payload, sliceRows } from '../model/tensor.js';
import { describe } from '../model/value-words.js';
import type { Chunk, ChunkLimits } from './chunk.js';
import type { Taking, Where } from './column.js';
import { FixedRows } from './fixed-rows.js';
import { bareInput, fieldOrDefault } from './left-out.js';
import { ShapedRows } from './shaped-rows.js';
import { inputNames, isFields, nearest, shownName } from './wanted.js';

/** 256 rows of a small model are 64 KiB; 1 MiB is about two 224 x 224 colour images in float32. */
export const DEFAULT_CHUNKS: ChunkLimits = { chunkRows: 256, chunkBytes: 1024 * 1024 };

/** How to handle fields that are not inputs of the model. */
export type Extras = 'refuse' | 'ignore';

interface Options extends Partial<Taking> {
  expectedRows?: number;
}

/**
 * Packs rows into payloads. Rows join the chunk with their shape (and shared values), so a chunk's rows need
 * not be consecutive; `place` says which they are. A rejected row leaves the chunks unchanged, so a caller
 * may continue with the next row.
 */
export class ChunkBuilder {
  /** Finished chunks; the caller empties the list. */
  readonly ready: Chunk[] = [];
  private readonly scratch: unknown[];
  private readonly bare: number | undefined;
  private readonly rows: FixedRows | ShapedRows;

  /**
   * `expectedRows`, if known, keeps a single row from allocating a whole chunk. With `copies`, the memory of
   * a row may change after it was added; otherwise a typed array may be used without copying. With `exact`,
   * lists may contain non-finite numbers: they come from a program, not from JSON text. With `readFile`, text in place of an
   * image is a path.
   */
  constructor(
    private readonly signature: ModelSignature,
    limits: ChunkLimits,
    private readonly where: Where,
    { expectedRows = Number.POSITIVE_INFINITY, copies = false, exact = false, readFile }: Options = {},
  ) {
    const { inputs } = signature;
    this.scratch = inputs.map(() => undefined);
    this.bare = bareInput(signature);
    const emit = (chunk: Chunk) => this.ready.push(chunk);
    const alike = inputs.every(
      (input) => !input.shared && input.type !== 'string' && fixedCount(input.shape) !== undefined,
    );
    const taking = { copies, exact, readFile };
    this.rows = alike
      ? new FixedRows(signature, limits, where, expectedRows, taking, emit)
      : new ShapedRows(signature, limits, where, taking, emit);
  }

  /**
   * Adds a row: an object of named inputs, or the bare value of a model's only input (others may have defaults).
   * @throws InferError INPUT_* (exit 65) naming `where(row)`.
   */
  addRow(value: unknown, row: number, extras: Extras): void {
    const { inputs } = this.signature;
    if (isFields(value)) {
      checkFields(value, this.signature, extras, this.where(row));
      for (let i = 0; i < inputs.length; i++)
        this.scratch[i] = fieldOrDefault(value, inputs[i] as TensorSignature);
    } else if (this.bare !== undefined) {
      for (let i = 0; i < inputs.length; i++)
        this.scratch[i] = i === this.bare ? value : defaultOf(inputs[i] as TensorSignature);
    } else throw notNamed(value, this.signature, this.where(row));
    this.addValues(this.scratch, row);
  }

  /** Adds a row given as one value per input, in the signature's order. */
  addValues(values: readonly unknown[], row: number): void {
    this.rows.add(values, row);
  }

  /** Finishes the open chunks, in the order of their first rows. */
  flush(): void {
    this.rows.flush();
  }

  /** The finished chunks, removed from the builder. */
  drain(): Chunk[] {
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

/**
 * @param known legitimate names, such as those of the model's inputs.
 * @throws InferError INPUT_KEY for names that would reach an object's prototype in careless code.
 */
export function refuseHostile(
  fields: object,
  where: string | undefined,
  known: readonly string[] = [],
): void {
  for (const name of HOSTILE) {
    if (Object.hasOwn(fields, name) && !known.includes(name)) {
      throw badInput('INPUT_KEY', `a field is named '${name}', which is refused`, {
        where,
        hint: 'rename or remove that field',
      });
    }
  }
}

/** @throws InferError INPUT_NAMES unless every input is present and (`refuse`) nothing else is. */
export function checkFields(
  fields: object,
  signature: ModelSignature,
  extras: Extras,
  where: string | undefined,
): void {
  const { inputs, name: model } = signature;
  refuseHostile(
    fields,
    where,
    inputs.map((input) => input.name),
  );
  for (const input of inputs) {
    if (Object.hasOwn(fields, input.name) || input.default !== undefined) continue;
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
      `'${shownName(name)}' is not an input of model ${model}; it takes ${inputNames(signature)}`,
      {
        where,
        hint: 'remove that field, or write one row a line (NDJSON), where other fields are left out',
      },
    );
  }
}

/** Splits a payload into pieces within the limits, sharing its memory; rows of text may differ in size. */
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
