import { isAscii, isUtf8 } from 'node:buffer';
import { badInput, type InferError } from '../core/errors.js';
import { findDuplicateKey } from '../core/json-keys.js';
import { findJsonFault, lineAndColumn, MORE_TEXT } from './json-fault.js';
import { shownName, tooDeep } from './wanted.js';
import { quoteWideIntegers } from './wide-integers.js';

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_FIELDS = 0x7b;
const CLOSE_FIELDS = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Limits of the shape of JSON, which its size in bytes says little about. */
export interface JsonLimits {
  maxDepth: number;
  /** Maximum number of lists, objects, texts and commas [no limit]. */
  maxValues?: number | undefined;
}

/**
 * The value of a JSON document without a byte order mark.
 * @param wide integers of 16 digits and more come as text, in all their digits
 * @throws InferError INPUT_ENCODING, INPUT_TOO_DEEP, INPUT_TOO_LARGE, INPUT_JSON, INPUT_KEY with line and
 *   column (exit 65).
 */
export function parseDocument(bytes: Buffer, limits: JsonLimits, wide = false): unknown {
  const text = decodeText(bytes, undefined);
  refuseShape(bytes, limits, undefined);
  let value: unknown;
  try {
    value = JSON.parse(wide ? quoteWideIntegers(text) : text);
  } catch {
    throw malformed(text, undefined);
  }
  refuseDuplicates(text, value, undefined);
  return value;
}

/**
 * @param line given for a line of NDJSON
 * @throws InferError INPUT_KEY (exit 65) for a field that occurs twice, because it is unclear which is meant.
 */
export function refuseDuplicates(text: string, value: unknown, line: number | undefined): void {
  const twice = findDuplicateKey(text, value);
  if (twice === undefined) return;
  const place = lineAndColumn(text, twice.at);
  throw badInput('INPUT_KEY', `the field '${shownName(twice.key)}' appears twice in one object`, {
    where: `line ${line ?? place.line}, column ${place.column}`,
    hint: 'remove one of the two: JSON readers differ in which they use',
  });
}

/** Decodes UTF-8 bytes. @throws InferError INPUT_ENCODING. */
export function decodeText(bytes: Buffer, where: string | undefined): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw notUtf8(where);
  return bytes.toString('utf8');
}

export function notUtf8(where: string | undefined): InferError {
  return badInput('INPUT_ENCODING', 'the text is not valid UTF-8', {
    where,
    hint: 'convert it first: iconv -f LATIN1 -t UTF-8 input > output',
  });
}

/** `line` is given for a line of NDJSON; otherwise the line of the fault is named. */
export function malformed(text: string, line: number | undefined): InferError {
  const fault = findJsonFault(text) ?? { at: 0, what: 'it cannot be parsed' };
  const place = lineAndColumn(text, fault.at);
  const where = `line ${line ?? place.line}, column ${place.column}`;
  return badInput('INPUT_JSON', `malformed JSON: ${fault.what}`, {
    where,
    hint: faultHint(fault.what, line),
  });
}

/** Words that Python's json writes for floats; accepted in quotes. */
const FLOAT_WORD = /^(?:NaN|-?Infinity)(?= is not JSON)/;

function faultHint(what: string, line: number | undefined): string {
  const word = FLOAT_WORD.exec(what)?.[0];
  if (word !== undefined) {
    const rest = line === undefined ? '; check the document with: jq . < FILE' : '';
    return `write ${word} as "${word}", in quotes, if the model takes it${rest}`;
  }
  if (line !== undefined) return `look at that line: sed -n ${line}p FILE`;
  return what === MORE_TEXT
    ? 'for one row a line (NDJSON) every line must be complete JSON, the first too'
    : 'check the document with: jq . < FILE';
}

/**
 * Checks the shape of JSON, which need not be well formed. It is done before parsing: 64 MiB of `[` would
 * become 64 Mi nested lists, and 64 MiB of `{},` take two gigabytes and most of a minute.
 * @throws InferError INPUT_TOO_DEEP, INPUT_TOO_LARGE.
 */
export function refuseShape(
  bytes: Buffer,
  { maxDepth, maxValues = Number.POSITIVE_INFINITY }: JsonLimits,
  where: string | undefined,
): void {
  let depth = 0;
  let values = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === COMMA) values += 1;
    else if (byte === QUOTE) {
      i = endOfString(bytes, i);
      values += 1;
    } else if (byte === OPEN_LIST || byte === OPEN_FIELDS) {
      values += 1;
      if (++depth > maxDepth) throw tooDeep(maxDepth, where);
    } else if (byte === CLOSE_LIST || byte === CLOSE_FIELDS) depth -= 1;
    if (values > maxValues) throw tooManyValues(maxValues, where);
  }
}

function tooManyValues(maxValues: number, where: string | undefined): InferError {
  return badInput('INPUT_TOO_LARGE', `the JSON has more than ${maxValues} values`, {
    where,
    hint: 'send rows as NDJSON or .npy, or tensors in binary',
  });
}

function endOfString(bytes: Buffer, start: number): number {
  let i = start + 1;
  while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
  return i;
}
