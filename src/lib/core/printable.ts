/**
 * Characters that a terminal interprets or hides instead of showing: controls (C0, DEL, C1), those that
 * reorder text (U+202E), zero-width and other invisible ones, the line separators U+2028 and U+2029, and
 * halves of surrogate pairs.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const ANY_UNSAFE = new RegExp(UNSAFE.source, 'u');
/**
 * Text of which no character can be unsafe, such as lists of numbers: known after 1 ns a character instead of
 * 12, which is as long as it takes to write a number.
 */
const SAFE = /^[ -~\n]*$/;
/** Except after an emoji: there U+FE0F only selects the coloured form. */
const EMOJI_FORM = /(?<=\p{Extended_Pictographic})\ufe0f/u;
const UNSAFE_VALUE = new RegExp(`(?!${EMOJI_FORM.source})${UNSAFE.source}`, 'gu');
// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with ESC.
const OWN = /\u001b\[[0-9;]*m|[\n\t]/u;
const UNSAFE_LINE = new RegExp(`(${OWN.source})|${UNSAFE_VALUE.source}`, 'gu');

/**
 * A value from outside (an id, a name, a message, a label) as text that is safe to show: characters that a
 * terminal would interpret or hide are escaped, `\x1b`, `\u202e`, `\u{e0041}`. Always one line.
 */
export function printable(text: string): string {
  return ANY_UNSAFE.test(text) ? text.replace(UNSAFE_VALUE, escaped) : text;
}

/**
 * Complete lines with our own styles, newlines and tabs, which are kept. The last safeguard before a
 * terminal: values should have gone through `printable` before, which keeps none of these.
 */
export function terminalText(text: string): string {
  return ANY_UNSAFE.test(text)
    ? text.replace(UNSAFE_LINE, (char, own: string | undefined) => own ?? escaped(char))
    : text;
}

/** JSON text that is safe on a terminal and still parses to exactly the same value. */
export function terminalJson(json: string): string {
  return !SAFE.test(json) && ANY_UNSAFE.test(json)
    ? json.replace(UNSAFE, (char) => (/[\n\r\t]/.test(char) ? char : jsonEscapes(char)))
    : json;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) as number;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  const hex = code.toString(16).padStart(4, '0');
  return code <= 0xffff ? `\\u${hex}` : `\\u{${hex}}`;
}

function jsonEscapes(char: string): string {
  return Array.from(
    { length: char.length },
    (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}
