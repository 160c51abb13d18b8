import { INTEGER_BOUNDS, NOT_FINITE } from './elements.js';
import { isList, measure } from './row-shape.js';
import type { TensorSignature } from './signature.js';
import { type DataType, isFloat } from './tensor.js';

/** Describes values that do not fit: their kind and shape; a value itself is never shown. */

/** The singular and plural name of an element of an input. */
export function unit(input: TensorSignature): [one: string, more: string] {
  if (input.type === 'string') return ['text', 'texts'];
  return input.type === 'bool' ? ['true or false', 'true or false values'] : ['number', 'numbers'];
}

/** `64`, `8 x 8`, `? x 80`, `one number`. */
export function wantedShape(input: TensorSignature): string {
  const [one, more] = unit(input);
  if (input.shape.length === 0) return `one ${one}`;
  return `${input.shape.map((dim) => dim ?? '?').join(' x ')} ${more}`;
}

/** A description of a value: `63 numbers`, `a list of shape 8 x 7`, `text`, `null`, `an object`. */
export function describe(value: unknown): string {
  if (!isList(value)) return describeScalar(value);
  const dims = measure(value);
  if (dims[0] === 0) return 'an empty list';
  if (dims.length > 8) return `a list nested ${dims.length} deep`;
  let leaf: unknown = value;
  for (let depth = 0; depth < dims.length; depth++) leaf = (leaf as ArrayLike<unknown>)[0];
  const noun = { number: 'number', bigint: 'number', string: 'text', boolean: 'true/false value' }[
    typeof leaf as 'number'
  ];
  if (dims.length === 1) return `${dims[0]} ${noun ?? 'value'}${dims[0] === 1 ? '' : 's'}`;
  return `a list of shape ${dims.join(' x ')}`;
}

function describeScalar(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return 'one number';
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'object':
      return 'an object';
    default:
      return typeof value;
  }
}

const ELEMENTS: Record<DataType, string> = {
  float32: 'finite numbers (float32)',
  float64: 'finite numbers (float64)',
  float16: 'finite numbers (float16)',
  int8: 'whole numbers (int8)',
  uint8: 'whole numbers (uint8)',
  int16: 'whole numbers (int16)',
  uint16: 'whole numbers (uint16)',
  int32: 'whole numbers (int32)',
  uint32: 'whole numbers (uint32)',
  int64: 'whole numbers (int64)',
  uint64: 'whole numbers (uint64)',
  bool: 'true, false, 0 or 1',
  string: 'text',
};

const MEANS_NOT_FINITE = new Set(['nan', 'inf', '+inf', '-inf', 'infinity', '+infinity', '-infinity']);

interface Fault {
  code: 'INPUT_TYPE' | 'INPUT_VALUE';
  found: string;
  hint: string;
}

/** Why a value is invalid as an element of a tensor of `type`, and the fix; never the value itself. */
export function explainElement(value: unknown, type: DataType): Fault & { takes: string } {
  return { ...explain(value, type), takes: ELEMENTS[type] };
}

function explain(value: unknown, type: DataType): Fault {
  if (value === null || value === undefined) {
    return {
      code: 'INPUT_VALUE',
      found: value === null ? 'null' : 'missing',
      hint: isFloat(type)
        ? 'fill in missing values first, or write "NaN" if the model takes that for missing'
        : 'fill in missing values first',
    };
  }
  if (type === 'string') return explainText(value);
  if (typeof value === 'number' || typeof value === 'bigint') return explainNumber(value, type);
  if (typeof value === 'string') return explainTextForNumber(value, type);
  const found = isList(value) ? 'a list' : typeof value === 'boolean' ? 'true or false' : 'an object';
  return { code: 'INPUT_TYPE', found, hint: `give ${ELEMENTS[type]} there` };
}

function explainText(value: unknown): Fault {
  if (typeof value !== 'string') {
    const found = isList(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
    return { code: 'INPUT_TYPE', found, hint: 'put the value in quotes' };
  }
  if (value.includes('\0')) {
    return {
      code: 'INPUT_VALUE',
      found: 'text with a NUL character',
      hint: 'remove NUL characters: ONNX Runtime cuts text off at the first',
    };
  }
  return {
    code: 'INPUT_VALUE',
    found: 'text with half a surrogate pair, which UTF-8 cannot hold',
    hint: 'write characters above U+FFFF as both \\u halves, or as themselves',
  };
}

function explainTextForNumber(value: string, type: DataType): Fault {
  if (MEANS_NOT_FINITE.has(value.trim().toLowerCase())) {
    return {
      code: 'INPUT_VALUE',
      found: 'text that stands for NaN or infinity',
      hint: isFloat(type)
        ? `write it as ${[...NOT_FINITE.keys()].map((text) => `"${text}"`).join(', ')}`
        : `${type} has no such value: replace it first`,
    };
  }
  if (type === 'int64' || type === 'uint64') {
    return {
      code: 'INPUT_VALUE',
      found: 'text that is not a whole number in range',
      hint: 'write digits only, such as "9007199254740993"',
    };
  }
  return { code: 'INPUT_TYPE', found: 'text', hint: 'write numbers without quotes' };
}

function explainNumber(value: number | bigint, type: DataType): Fault {
  const code = 'INPUT_VALUE';
  const asNumber = Number(value);
  if (!Number.isFinite(asNumber)) {
    const found = Number.isNaN(asNumber) ? 'NaN' : 'infinite, or too large for a number';
    const text = [...NOT_FINITE].find(([, number]) => Object.is(number, asNumber))?.[0];
    return {
      code,
      found,
      hint: isFloat(type)
        ? `replace it, or give it as the text "${text}" in a list if it is meant`
        : `${type} has no such value: replace it first`,
    };
  }
  if (type === 'bool')
    return { code, found: 'a number other than 0 and 1', hint: 'give true, false, 0 or 1' };
  if (isFloat(type)) {
    return typeof value === 'bigint'
      ? { code, found: 'a whole number beyond 2^53', hint: 'give a number that a double holds exactly' }
      : { code, found: `too large for ${type}`, hint: `scale the input into the range of ${type}` };
  }
  if (!Number.isInteger(asNumber)) return { code, found: 'not a whole number', hint: 'round it first' };
  const bounds = INTEGER_BOUNDS[type];
  if (bounds === undefined && typeof value === 'number' && !Number.isSafeInteger(value)) {
    return {
      code,
      found: 'beyond 2^53, where JSON numbers are inexact',
      hint: 'write it as a string of digits, such as "9007199254740993"',
    };
  }
  const range =
    bounds === undefined ? (type === 'int64' ? '-2^63..2^63-1' : '0..2^64-1') : `${bounds[0]}..${bounds[1]}`;
  return { code, found: `outside ${range}`, hint: `give whole numbers of ${range}` };
}
