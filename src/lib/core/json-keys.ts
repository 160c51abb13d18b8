/** A field that occurs twice in an object, and the position of the second in the text. */
export interface DuplicateKey {
  key: string;
  at: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** End of a key: the colon after its closing quote. */
const COLON = /[ \t\r\n]*:/y;
const STRUCTURE = /["{}]/g;

/**
 * The first field that occurs twice in an object of `text`; `JSON.parse` silently takes the last. `value` is
 * the parsed `text`, which is well-formed JSON.
 * @param section search only in this field of the outermost object, and whether that itself occurs twice
 */
export function findDuplicateKey(text: string, value: unknown, section?: string): DuplicateKey | undefined {
  const first = text.indexOf('{');
  if (first < 0) return undefined;
  // A single object, as in most rows: with one colon per key, no key was lost.
  if (text.indexOf('{', first + 1) < 0 && isObject(value)) {
    let colons = 0;
    for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) colons += 1;
    if (colons === Object.keys(value).length) return undefined;
  }
  return scan(text, section);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function scan(text: string, section: string | undefined): DuplicateKey | undefined {
  const open: Set<string>[] = [];
  let outer: string | undefined;
  STRUCTURE.lastIndex = 0;
  for (let found = STRUCTURE.exec(text); found !== null; found = STRUCTURE.exec(text)) {
    const at = found.index;
    if (found[0] === '{') open.push(new Set());
    else if (found[0] === '}') open.pop();
    else {
      const end = endOfString(text, at);
      STRUCTURE.lastIndex = end;
      COLON.lastIndex = end;
      if (!COLON.test(text)) continue;
      const token = text.slice(at, end);
      const key = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
      const keys = open.at(-1);
      if (open.length === 1) outer = key;
      if (keys?.has(key) && (section === undefined || outer === section)) return { key, at };
      keys?.add(key);
    }
  }
  return undefined;
}

/** Offset after the closing quote of the string starting at `start`. */
export function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i += 1;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}
