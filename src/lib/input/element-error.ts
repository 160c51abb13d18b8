import { badInput, type InferError } from '../core/errors.js';
import type { TensorSignature } from '../model/signature.js';
import type { DataType } from '../model/tensor.js';
import { INTEGER_BOUNDS } from './elements.js';
import { inputOf, isList } from './wanted.js';

/** Why a value is no element of a tensor of `type`: its kind and the fix, never the value. */
export function elementError(
  value: unknown,
  index: number,
  input: TensorSignature,
  model: string,
  where: string | undefined,
): InferError {
  const { code, found, hint } = explain(value, input.type);
  return badInput(
    code,
    `element ${index + 1} is ${found}; ${inputOf(input, model)} takes ${ELEMENTS[input.type]}`,
    {
      where,
      hint,
    },
  );
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

const NOT_FINITE = new Set(['nan', 'inf', '+inf', '-inf', 'infinity', '+infinity', '-infinity']);

interface Fault {
  code: 'INPUT_TYPE' | 'INPUT_VALUE';
  found: string;
  hint: string;
}

function explain(value: unknown, type: DataType): Fault {
  if (value === null || value === undefined) {
    return {
      code: 'INPUT_VALUE',
      found: value === null ? 'null' : 'missing',
      hint: 'fill in missing values first',
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
  if (NOT_FINITE.has(value.trim().toLowerCase())) {
    return {
      code: 'INPUT_VALUE',
      found: 'text that stands for NaN or infinity',
      hint: 'replace values that are not finite before submitting',
    };
  }
  if (type === 'int64' || type === 'uint64') {
    return {
      code: 'INPUT_VALUE',
      found: 'text that is no whole number in range',
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
    return { code, found, hint: 'replace values that are not finite before submitting' };
  }
  if (type === 'bool')
    return { code, found: 'a number other than 0 and 1', hint: 'give true, false, 0 or 1' };
  if (type === 'float32' || type === 'float16' || type === 'float64') {
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
