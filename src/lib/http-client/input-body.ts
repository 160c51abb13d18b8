import { InferError } from '../core/errors.js';
import { npyHeader } from '../core/npy-bytes.js';
import type { HttpSubmitOptions } from './types.js';

/** An input as it is sent: the body, its type and the query of the address. */
export interface InputBody {
  type: 'application/json' | 'application/x-npy';
  /** Query of the address, with `?`; empty if the body has the options. */
  query: string;
  body: string | Uint8Array;
}

/** NumPy's names of the element types of typed arrays, without byte order. */
const DESCR: Readonly<Record<string, string>> = {
  Int8Array: 'i1',
  Uint8Array: 'u1',
  Uint8ClampedArray: 'u1',
  Int16Array: 'i2',
  Uint16Array: 'u2',
  Int32Array: 'i4',
  Uint32Array: 'u4',
  BigInt64Array: 'i8',
  BigUint64Array: 'u8',
  Float16Array: 'f2',
  Float32Array: 'f4',
  Float64Array: 'f8',
};
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

type TypedArray = ArrayBufferView & ArrayLike<number | bigint>;

/** A typed array is sent as its bytes (`.npy`), anything else as JSON. @throws InferError INPUT_JSON (65). */
export function inputBody(input: unknown, options: HttpSubmitOptions): InputBody {
  if (isTyped(input)) return { type: 'application/x-npy', query: submitQuery(options), body: npyOf(input) };
  return { type: 'application/json', query: '', body: jsonText({ ...fieldsOf(options), input }) };
}

function isTyped(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function npyOf(array: TypedArray): Uint8Array {
  const name = (array as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag];
  const descr = DESCR[name] as string;
  const order = descr.endsWith('1') ? '|' : LITTLE_ENDIAN ? '<' : '>';
  const elements = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return Buffer.concat([npyHeader(order + descr, [array.length]), elements]);
}

/**
 * A value as JSON. Typed arrays become lists; NaN, infinities and integers beyond 2^53 become text, which the
 * gateway accepts.
 * @param where such as `row 3`, for the error
 * @throws InferError INPUT_JSON (65) for a value that JSON cannot hold.
 */
export function jsonText(value: unknown, where?: string): string {
  try {
    return JSON.stringify(value, plain) ?? 'null';
  } catch (cause) {
    const place = where === undefined ? '' : `${where}: `;
    throw new InferError('INPUT_JSON', `${place}the input refers to itself, or is nested too deep`, {
      hint: 'use lists, objects and typed arrays of numbers, text and booleans',
      cause,
    });
  }
}

/** @param key of `this`, which has the value before its `toJSON`: that of a Buffer hides its numbers */
function plain(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value !== 'object' || value === null) return value;
  const own = (this as Readonly<Record<string, unknown>>)[key];
  return isTyped(own) ? Array.from(own) : value;
}

/** The options as fields of the submitted document. */
function fieldsOf(options: HttpSubmitOptions): Record<string, unknown> {
  const { model, queue, priority, retries, outputs, topK, argmax } = options;
  return {
    model,
    queue,
    priority,
    retries,
    outputs,
    topK,
    argmax,
    delay: options.delayMs,
    at: options.startAt,
    expires: options.expiresMs,
    resultTtl: options.resultTtl === undefined ? undefined : options.resultTtl * 1000,
    retryDelay: options.retryDelayMs,
    timeLimit: options.timeLimitMs,
    softTimeLimit: options.softTimeLimitMs,
  };
}

const MOMENTS: ReadonlySet<string> = new Set(['at']);
const DURATIONS: ReadonlySet<string> = new Set([
  'delay',
  'expires',
  'resultTtl',
  'retryDelay',
  'timeLimit',
  'softTimeLimit',
]);

/** The options as a query, with `?`, for a body of rows; empty without options. */
export function submitQuery(options: HttpSubmitOptions): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fieldsOf(options))) {
    if (value === undefined) continue;
    if (DURATIONS.has(name)) query.set(name, `${value}ms`);
    else if (MOMENTS.has(name)) query.set(name, momentText(value as number));
    else if (name === 'topK' && typeof value === 'object') query.set(name, pairs(value as object));
    else query.set(name, String(value));
  }
  return query.size === 0 ? '' : `?${query}`;
}

/** `logits=5,scores=2` */
function pairs(byName: object): string {
  return Object.entries(byName)
    .map(([name, k]) => `${name}=${k}`)
    .join(',');
}

/** An invalid date is sent as it is: the gateway refuses it. */
function momentText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
