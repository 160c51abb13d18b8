const ZERO = 0x30;
const NINE = 0x39;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const SPACE = 0x20;
/** More digits than any integer up to 2^53 - 1 has. */
const WIDE_DIGITS = 16;

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/**
 * The number that a cell holds in decimal notation, or undefined. `Number` alone would also take an empty
 * cell, hexadecimal digits and white space.
 */
export function decimal(text: string): number | undefined {
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  if (!isDigit(last) && last !== POINT) return undefined;
  if (!isDigit(first) && first !== MINUS && first !== PLUS && first !== POINT) return undefined;
  // 0x1f, 0b1, 0o7
  if (first === ZERO && text.length > 1 && text.charCodeAt(1) > NINE && (text.charCodeAt(1) | SPACE) !== 0x65)
    return undefined;
  const number = Number(text);
  return Number.isNaN(number) ? undefined : number;
}

/** The text without white space around it. */
export function trimmed(text: string): string {
  const { length } = text;
  if (length === 0) return text;
  return text.charCodeAt(0) <= SPACE || text.charCodeAt(length - 1) <= SPACE ? text.trim() : text;
}

/** `1,5`: a number as written where the comma is the decimal separator. */
export function hasDecimalComma(text: string): boolean {
  return /^[+-]?\d+,\d+$/.test(text);
}

/**
 * A cell for a model that takes JSON: a number if JavaScript would write the same number, so that postal
 * codes and long ids stay text; null when it is empty.
 */
export function jsonCell(text: string): unknown {
  if (text === '') return null;
  if (text.length >= WIDE_DIGITS || decimal(text) === undefined) return text;
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}
