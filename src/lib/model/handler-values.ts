import { defaultOf } from './defaults.js';
import { toNumbers } from './elements.js';
import { shortFloat } from './float-text.js';
import { fromArray } from './from-array.js';
import type { TensorData } from './layout.js';
import { jsonNumber } from './rows.js';
import type { ModelSignature } from './signature.js';
import type { DataType, Payload } from './tensor.js';

/** One output of a model for one row, as passed to `postprocess`. */
export interface HandlerOutput {
  type: DataType;
  shape: number[];
  /** In row-major order; float16 as a Float32Array of its numbers, 64-bit integers as bigints. */
  data: TensorData;
}

/**
 * The tensors of one row as returned by `preprocess`, copied, and checked like a submitter's values.
 * @throws Error naming the input.
 */
export function inputsOf(value: unknown, signature: ModelSignature): Payload {
  const { inputs, batchable } = signature;
  if (typeof value !== 'object' || value === null)
    throw new Error('preprocess must return {inputName: values}');
  const fields = value as Record<string, unknown>;
  const unknown = Object.keys(fields).find((name) => !inputs.some((input) => input.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `preprocess returned '${unknown}'; the model's inputs are ${inputs.map((input) => input.name).join(', ')}`,
    );
  }
  const tensors = inputs.map((input) => {
    const { name, type, shared } = input;
    const own = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const given = own === undefined ? defaultOf(input) : own;
    if (given === undefined) throw new Error(`preprocess returned no '${name}'`);
    const { shape, data } = fromArray(input, given, !batchable && !shared);
    return { name, type, shape, data, ...(shared ? { shared: true } : {}) };
  });
  return { rows: 1, tensors };
}

/**
 * The outputs of a row by name. The object has no prototype, so no name is special. Data shared by the rows
 * of a run is copied, so that a handler may sort or scale it in place.
 */
export function outputsOf(row: Payload): Record<string, HandlerOutput> {
  const outputs = Object.create(null) as Record<string, HandlerOutput>;
  for (const { name, type, shape, shared, data } of row.tensors) {
    outputs[name] = {
      type,
      shape: [...shape],
      data: toNumbers(type, shared ? new Uint8Array(data) : data),
    };
  }
  return outputs;
}

/**
 * The JSON text of the answer of `postprocess`. Values without a JSON form are written as in results: NaN,
 * infinities and integers beyond 2^53 as text, typed arrays as lists.
 * @throws Error for undefined, a function, a cycle, and objects that JSON would silently turn into `{}`.
 */
export function answerText(answer: unknown): string {
  const text = JSON.stringify(answer, jsonForm) as string | undefined;
  if (text !== undefined) return text;
  throw new Error(`postprocess returned ${typeof answer}, which JSON cannot hold; return null for no answer`);
}

/** Objects whose content JSON drops silently, and what to return instead. */
const CONTENT_LOST: readonly [new (...args: never[]) => object, string][] = [
  [Map, 'return an object or a list'],
  [Set, 'return a list'],
  [Promise, 'await it first'],
  [ArrayBuffer, 'return a typed array of it'],
  [SharedArrayBuffer, 'return a typed array of it'],
  [DataView, 'return a typed array of it'],
  [Error, 'throw it to fail the row, or return its message'],
];

/** `this` is the object that contains the value: a Buffer has already been converted by its own `toJSON`. */
function jsonForm(this: Record<string, unknown>, key: string, value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return jsonNumber(value);
  if (typeof value !== 'object' || value === null) return value;
  const own = this[key];
  if (own instanceof Uint8Array) return Array.from(own);
  if (value instanceof Number) return jsonNumber(value.valueOf());
  if (value instanceof Float32Array) return Array.from(value, shortFloat);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<unknown>);
  const lost = CONTENT_LOST.find(([kind]) => value instanceof kind);
  if (lost === undefined) return value;
  const [{ name }, instead] = lost;
  const what = `${name === 'Error' || name === 'ArrayBuffer' ? 'an' : 'a'} ${name}${key === '' ? '' : ` in '${key}'`}`;
  throw new Error(`postprocess returned ${what}, which JSON cannot hold; ${instead}`);
}
