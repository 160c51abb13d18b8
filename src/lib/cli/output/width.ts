import { stripVTControlCharacters } from 'node:util';

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;
const COMBINING = /^\p{Mark}$/u;

/** Columns that a line takes on a terminal. */
export function visibleWidth(line: string): number {
  let width = 0;
  for (const char of stripVTControlCharacters(line)) {
    if (!COMBINING.test(char)) width += WIDE.test(char) ? 2 : 1;
  }
  return width;
}
