/** Digits from which on an integer may be beyond what a number holds exactly. */
const WIDE = /(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;
const WIDE_TEXT = /^-?\d{16,}$/;

/**
 * A JSON text with its integers of 16 digits and more in quotes, so that `JSON.parse` keeps all of them: where an element is
 * a 64-bit integer, its text is taken as well. Strings are left alone; the text need not be well formed.
 */
export function quoteWideIntegers(text: string): string {
  if (text.search(WIDE) < 0) return text;
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    const quote = text.indexOf('"', from);
    const end = quote < 0 ? text.length : quote;
    pieces.push(text.slice(from, end).replace(WIDE, '"$&"'));
    from = quote < 0 ? end : stringEnd(text, quote);
    pieces.push(text.slice(end, from));
  }
  return pieces.join('');
}

/** The elements as they were before `quoteWideIntegers`, for a type that is no 64-bit integer. */
export function unquoteWideIntegers(elements: ArrayLike<unknown>): ArrayLike<unknown> {
  return Array.from(elements, (element) =>
    typeof element === 'string' && WIDE_TEXT.test(element) ? Number(element) : element,
  );
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at += 1;
    else if (char === 0x22) return at + 1;
  }
  return text.length;
}
