import { badInput } from '../core/errors.js';
import { arrange, fixedCount, isList, measure } from '../model/row-shape.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import { describe } from '../model/value-words.js';
import { type Chunk, type ChunkLimits, ONE_CHUNK } from './chunk.js';
import { ChunkBuilder, checkFields, chunkRows, type Extras } from './chunk-builder.js';
import type { ReadFile, Where } from './column.js';
import { jsonRowText } from './json-row.js';
import { bareInput, fieldOrDefault, isLeftOut } from './left-out.js';
import { isOipRequest, payloadFromOip } from './oip.js';
import { isFields, tooDeep } from './wanted.js';

/** Maximum nesting depth of lists and objects; a tensor has at most a handful of axes. */
export const DEFAULT_MAX_DEPTH = 64;

export interface ValueOptions extends ChunkLimits {
  maxDepth: number;
  /** Fields that are not inputs: `refuse` in documents, `ignore` if the value is an NDJSON line. */
  extras: Extras;
  /** Lists may contain NaN and infinities as numbers: they come from a program, not from JSON text. */
  exact: boolean;
  /** Reads the images that rows name by their paths. */
  readFile?: ReadFile | undefined;
}

/** Rows are counted from 1, and named only if there are several. */
function places(rows: number): Where {
  return (row) => (rows > 1 ? `row ${row}` : undefined);
}

/**
 * The rows of an in-memory value, packed into payloads. The shape decides: a list is one row when it has the
 * row shape or is flat with as many elements, else rows along its first dimension; an object of named inputs
 * is one row or rows by the same rule, for all inputs alike; a list of objects is rows; `{inputs: [{name,
 * shape, datatype, data}]}` is an Open Inference Protocol request. For a model that takes JSON, a list is
 * rows and anything else one row.
 * @throws InferError INPUT_* (exit 65).
 */
export function payloadsFromValue(
  value: unknown,
  signature: ModelSignature,
  options: Partial<ValueOptions> = {},
): Chunk[] {
  const full: ValueOptions = {
    ...ONE_CHUNK,
    maxDepth: DEFAULT_MAX_DEPTH,
    extras: 'refuse',
    exact: false,
    ...options,
  };
  if (takesJson(signature)) return jsonRows(value, signature, full);
  if (isOipRequest(value, signature))
    return chunkRows(payloadFromOip(value, signature, { exact: full.exact }), full);
  if (isFields(value)) return fieldRows(value, signature, full);
  if (isList(value)) return listRows(value, signature, full);
  return build(signature, full, 1, (builder) => builder.addRow(value, 1, full.extras));
}

/**
 * All rows of an in-memory value as one payload, for the library; see `payloadsFromValue`. A typed array of
 * the input's own type that contains one row is used without copying: do not change it afterwards. Lists may
 * contain the same values as results: bigints, NaN and infinities; typed arrays contain finite numbers.
 * @throws InferError INPUT_MIXED when rows differ in shape or shared values, which one payload cannot hold.
 */
export function payloadFromValue(value: unknown, signature: ModelSignature): Payload {
  const [first, second] = payloadsFromValue(value, signature, { exact: true });
  if (second !== undefined || first === undefined) {
    throw badInput(
      'INPUT_MIXED',
      `rows 1 and ${(second?.place?.firstRow ?? first?.rows ?? 0) + 1} differ in shape or in a shared input`,
      {
        hint: 'submit rows of different shapes as jobs of their own, or pad them to one shape',
      },
    );
  }
  // Without the numbers of its rows: among other payloads of a group they would be those of rows 0 and on.
  const { place: _, ...payload } = first;
  return payload;
}

function build(
  signature: ModelSignature,
  options: ValueOptions,
  rows: number,
  fill: (builder: ChunkBuilder) => void,
): Chunk[] {
  const builder = new ChunkBuilder(signature, options, places(rows), {
    expectedRows: rows,
    exact: options.exact,
    readFile: options.readFile,
  });
  fill(builder);
  builder.flush();
  return builder.drain();
}

function emptyBatch(what: string, signature: ModelSignature): Error {
  return badInput('INPUT_EMPTY', `${what} holds no rows; model ${signature.name} needs at least one`, {
    hint: 'give one row or more',
  });
}

function jsonRows(value: unknown, signature: ModelSignature, options: ValueOptions): Chunk[] {
  const rows = Array.isArray(value) ? value : [value];
  if (rows.length === 0) throw emptyBatch('an empty list', signature);
  const where = places(rows.length);
  return build(signature, options, rows.length, (builder) => {
    rows.forEach((row, index) => {
      builder.addValues([jsonRowText(row, options.maxDepth, where(index + 1))], index + 1);
    });
  });
}

function listRows(value: ArrayLike<unknown>, signature: ModelSignature, options: ValueOptions): Chunk[] {
  if (value.length === 0) throw emptyBatch('an empty list', signature);
  const dims = measure(value, options.maxDepth);
  if (dims.length > options.maxDepth) throw tooDeep(options.maxDepth, undefined);
  const bare = bareInput(signature);
  const one =
    bare !== undefined &&
    !isFields(value[0]) &&
    seems(value, signature.inputs[bare] as TensorSignature) === 'one';
  if (one) return build(signature, options, 1, (builder) => builder.addRow(value, 1, options.extras));
  return build(signature, options, value.length, (builder) => {
    for (let i = 0; i < value.length; i++) builder.addRow(value[i], i + 1, options.extras);
  });
}

/** One row or many; for a value that is neither, what it was most likely meant to be, for the message. */
function seems(value: unknown, input: TensorSignature): 'one' | 'many' {
  // The bytes of a file are a list of numbers only in memory.
  if (input.role === 'image') return Array.isArray(value) ? 'many' : 'one';
  const dims = measure(value);
  const known = arrange(dims, input.shape);
  if (known !== undefined) return known;
  const rank = input.shape.length;
  if (dims.length === rank + 1) return 'many';
  return dims.length === 2 && rank > 2 && fixedCount(input.shape) !== undefined ? 'many' : 'one';
}

/** An object of named inputs: one row, or as many as its batched inputs agree on. */
function fieldRows(
  value: Record<string, unknown>,
  signature: ModelSignature,
  options: ValueOptions,
): Chunk[] {
  checkFields(value, signature, options.extras, undefined);
  const { inputs } = signature;
  const values = inputs.map((input) => fieldOrDefault(value, input));
  const batched = inputs.flatMap((input, index) => {
    if (input.shared || isLeftOut(value, input)) return [];
    const column = values[index];
    const many = isList(column) && seems(column, input) === 'many';
    return [{ name: input.name, index, many, rows: many ? column.length : 1 }];
  });
  const most = batched.reduce(
    (a, b) => (b.rows > a.rows ? b : a),
    batched[0] ?? { name: '', index: 0, many: false, rows: 1 },
  );
  const odd = batched.find((entry) => entry.rows !== most.rows);
  if (odd !== undefined) {
    throw badInput(
      'INPUT_SHAPE',
      `input '${most.name}' holds ${most.rows} rows and input '${odd.name}' ${odd.rows}; all inputs of model ${signature.name} must hold as many`,
      {
        hint: `give every input one row, or every input the same number of rows; '${odd.name}' is ${describe(values[odd.index])}`,
      },
    );
  }
  if (most.rows === 0) throw emptyBatch('an empty list', signature);
  return build(signature, options, most.rows, (builder) => {
    const row = [...values];
    for (let i = 0; i < most.rows; i++) {
      for (const { index, many } of batched) if (many) row[index] = (values[index] as ArrayLike<unknown>)[i];
      builder.addValues(row, i + 1);
    }
  });
}
