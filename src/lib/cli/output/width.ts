import { stripVTControlCharacters } from 'node:util';

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
/** Takes no column of its own; a soft hyphen does. */
const NO_WIDTH = /^(?:\p{Mark}|\p{Emoji_Modifier}|(?!\u00ad)\p{Cf})$/u;
/** One of the two letters of a flag, which takes two columns in total. */
const FLAG_LETTER = /^\p{Regional_Indicator}$/u;
const JOINER = '\u200d';
/** Turns the preceding character into an emoji. */
const AS_EMOJI = '\ufe0f';

/** Columns that a line takes on a terminal. */
export function visibleWidth(line: string): number {
  let width = 0;
  let last = 0;
  let before = '';
  for (const char of stripVTControlCharacters(line)) {
    let own = 0;
    if (char === AS_EMOJI) own = last === 1 ? 1 : 0;
    else if (before !== JOINER && !NO_WIDTH.test(char))
      own = WIDE.test(char) && !FLAG_LETTER.test(char) ? 2 : 1;
    width += own;
    last = own;
    before = char;
  }
  return width;
}
