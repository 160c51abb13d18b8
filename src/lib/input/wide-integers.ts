import { endOfString } from '../core/json-keys.js';

/** Integers of 16 digits and more: a number may not hold them exactly. */
const WIDE = /(?<![\d.eE+-])-?[1-9]\d{15,}(?![\d.eE])/g;
/** Half of a surrogate pair: accepted text never has one, so no other string is mistaken for an integer. */
const MARK = '\ud800';
const MARK_UNIT = 0xd800;
const QUOTED = `"\\u${MARK_UNIT.toString(16)}$&"`;

/**
 * A JSON text whose integers of 16 digits and more are marked strings, so that `JSON.parse` keeps all digits;
 * see `unmarked`. Other strings are left alone; the text need not be well formed.
 */
export function quoteWideIntegers(text: string): string {
  if (text.search(WIDE) < 0) return text;
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    const quote = text.indexOf('"', from);
    const end = quote < 0 ? text.length : quote;
    pieces.push(text.slice(from, end).replace(WIDE, QUOTED));
    from = quote < 0 ? end : endOfString(text, quote);
    pieces.push(text.slice(end, from));
  }
  return pieces.join('');
}

/** Elements without the marks of `quoteWideIntegers`. @param exact marked ones are text in all digits, else numbers */
export function unmarked(elements: ArrayLike<unknown>, exact: boolean): ArrayLike<unknown> {
  let some = false;
  for (let at = 0; at < elements.length && !some; at++) some = isMarked(elements[at]);
  if (!some) return elements;
  return Array.from(elements, (element) => {
    if (!isMarked(element)) return element;
    const digits = element.slice(MARK.length);
    return exact ? digits : Number(digits);
  });
}

/** A value in which all marked strings, at any depth, are numbers. */
export function unmarkedValue(value: unknown): unknown {
  if (isMarked(value)) return Number(value.slice(MARK.length));
  if (Array.isArray(value)) return value.map(unmarkedValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unmarkedValue(one)]));
}

/** A value in which all marked strings, at any depth, are the text of their digits. */
export function wideAsText(value: unknown): unknown {
  if (isMarked(value)) return value.slice(MARK.length);
  if (Array.isArray(value)) return value.map(wideAsText);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, wideAsText(one)]));
}

function isMarked(value: unknown): value is string {
  return typeof value === 'string' && value.charCodeAt(0) === MARK_UNIT;
}
