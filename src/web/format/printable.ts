/*
 * The rule of `core/printable.ts`, which the page may not import: a name looks the same here as on the command line.
 */

/** Controls, what reorders text, what is invisible, and halves of surrogate pairs. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** After an emoji, U+FE0F only selects the coloured form. */
const EMOJI_FORM = /(?<=\p{Extended_Pictographic})\ufe0f/u;
const SHOWN = new RegExp(`(?!${EMOJI_FORM.source})${UNSAFE.source}`, 'gu');

/** A text from outside, with the characters that a browser would hide or obey written out: `\x1b`, `\u202e`. */
export function printable(text: string): string {
  return UNSAFE.test(text) ? text.replace(SHOWN, escaped) : text;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) as number;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  const hex = code.toString(16).padStart(4, '0');
  return code <= 0xffff ? `\\u${hex}` : `\\u{${hex}}`;
}
