/**
 * Where JSON text is malformed. The messages of `JSON.parse` differ between Node versions, may lack the
 * position and may quote the payload; so after it has failed, this scanner finds the place.
 */
export interface JsonFault {
  /** Offset of the first character that is not allowed there; the text's length when it ends too soon. */
  at: number;
  what: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WORD = /true|false|null/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = /[ \t\r\n]*/y;
const NOT_JSON_WORD = /NaN|-?Infinity|None|True|False|undefined/y;

/** The fault of NDJSON read as a single document. */
export const MORE_TEXT = 'more text follows the end of the value';

type Expect = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end';

/**
 * The first fault in `text`, or undefined when it is well formed. Uses no recursion, however deep the
 * nesting.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: ('[' | '{')[] = [];
  let at = 0;
  let expect: Expect = 'value';
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  // A loop, not a pattern: a pattern keeps a backtracking position for every character, which overflows for
  // long text.
  const matchText = (): boolean => {
    if (text[at] !== '"') return false;
    let i = at + 1;
    for (let code = text.charCodeAt(i); code !== QUOTE; code = text.charCodeAt(i)) {
      if (!(code >= 0x20)) return false;
      ESCAPE.lastIndex = i;
      if (code !== BACKSLASH) i += 1;
      else if (ESCAPE.test(text)) i = ESCAPE.lastIndex;
      else return false;
    }
    at = i + 1;
    return true;
  };
  const after = (): Expect => (open.length === 0 ? 'end' : 'comma');
  for (;;) {
    match(SPACE);
    const char = text[at];
    if (char === undefined) return expect === 'end' ? undefined : { at, what: 'the text ends too soon' };
    const closer = open.at(-1) === '{' ? '}' : ']';
    const mayClose = expect === 'value or ]' || expect === 'key or }' || expect === 'comma';
    if (mayClose && open.length > 0 && char === closer) {
      open.pop();
      at += 1;
      expect = after();
    } else if (expect === 'value' || expect === 'value or ]') {
      if (char === '[' || char === '{') {
        open.push(char);
        at += 1;
        expect = char === '[' ? 'value or ]' : 'key or }';
      } else if (matchText() || match(NUMBER) || match(WORD)) expect = after();
      else return { at, what: badValue(text, at) };
    } else if (expect === 'key' || expect === 'key or }') {
      if (!matchText())
        return {
          at,
          what:
            char === '}'
              ? 'a comma stands before a closing brace'
              : 'a field name in double quotes is missing',
        };
      expect = 'colon';
    } else if (expect === 'colon') {
      if (char !== ':') return { at, what: 'a colon is missing' };
      at += 1;
      expect = 'value';
    } else if (expect === 'comma') {
      if (char !== ',') return { at, what: `a comma or ${closer} is missing` };
      at += 1;
      expect = open.at(-1) === '{' ? 'key' : 'value';
    } else return { at, what: MORE_TEXT };
  }
}

function badValue(text: string, at: number): string {
  NOT_JSON_WORD.lastIndex = at;
  const word = NOT_JSON_WORD.exec(text);
  if (word !== null) return `${word[0]} is not JSON`;
  if (text[at] === ']' || text[at] === '}') return 'a comma stands before a closing bracket';
  if (text[at] === '"') return 'text is not closed or holds a raw control character or a wrong escape';
  if (text[at] === "'") return 'text is in single quotes';
  return 'no JSON value starts there';
}

/** Line and column, both from 1, of an offset. */
export function lineAndColumn(text: string, at: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', start)) {
    line += 1;
    start = next + 1;
  }
  return { line, column: at - start + 1 };
}
