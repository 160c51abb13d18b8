import { printable } from '../core/job.js';

/** A text that is not in protobuf's text format, and the line that shows it. */
export class TextProtoError extends Error {
  override readonly name = 'TextProtoError';

  constructor(
    /** From 1. */
    readonly line: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Token {
  kind: 'word' | 'number' | 'string' | 'sign' | 'end';
  /** Of a string: its content; of a number: in decimal notation. */
  text: string;
  line: number;
}

const SPACE = /[ \t\r\n\v\f]+/y;
const COMMENT = /#[^\n]*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const FLOAT = /(?:\d+\.\d*|\.\d+|\d+(?=[eEfF]))(?:[eE][+-]?\d+)?[fF]?/y;
const INTEGER = /0[xX][0-9A-Fa-f]+|\d+/y;
const SIGN = /[{}<>[\]:,;\-/.]/y;

/** @throws TextProtoError */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const skipped = match(SPACE) ?? match(COMMENT);
    if (skipped !== undefined) {
      line += skipped.split('\n').length - 1;
      at += skipped.length;
      continue;
    }
    const quote = text[at] as string;
    if (quote === '"' || quote === "'") {
      const { content, end } = stringAt(text, at, line);
      tokens.push({ kind: 'string', text: content, line });
      at = end;
      continue;
    }
    const found = tokenOf(match, line);
    if (found === undefined) throw new TextProtoError(line, `unexpected character ${printable(quote)}`);
    tokens.push({ ...found.token, line });
    at += found.length;
    if (found.token.kind === 'number' && match(WORD) !== undefined)
      throw new TextProtoError(
        line,
        `${found.token.text}${printable(match(WORD) as string)} is not a number`,
      );
  }
  tokens.push({ kind: 'end', text: '', line });
  return tokens;
}

function tokenOf(
  match: (pattern: RegExp) => string | undefined,
  line: number,
): { token: Omit<Token, 'line'>; length: number } | undefined {
  const word = match(WORD);
  if (word !== undefined) return { token: { kind: 'word', text: word }, length: word.length };
  const float = match(FLOAT);
  if (float !== undefined)
    return { token: { kind: 'number', text: float.replace(/[fF]$/, '') }, length: float.length };
  const integer = match(INTEGER);
  if (integer !== undefined) {
    const octal = /^0\d/.test(integer);
    if (octal && /[89]/.test(integer)) throw new TextProtoError(line, `${integer} is not an octal number`);
    const text = octal ? BigInt(`0o${integer.slice(1)}`).toString() : integer;
    return { token: { kind: 'number', text }, length: integer.length };
  }
  const sign = match(SIGN);
  return sign === undefined ? undefined : { token: { kind: 'sign', text: sign }, length: sign.length };
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** A quoted string: its bytes as UTF-8 text, and the position after it. */
function stringAt(text: string, from: number, line: number): { content: string; end: number } {
  const quote = text[from];
  const bytes: Buffer[] = [];
  let at = from + 1;
  for (;;) {
    const plain = /[^"'\\\n]*/y;
    plain.lastIndex = at;
    const run = plain.exec(text)?.[0] ?? '';
    bytes.push(Buffer.from(run, 'utf8'));
    at += run.length;
    const char = text[at];
    if (char === undefined || char === '\n')
      throw new TextProtoError(line, 'the string that begins here has no end');
    at += 1;
    if (char === quote) return { content: Buffer.concat(bytes).toString('utf8'), end: at };
    if (char !== '\\') {
      bytes.push(Buffer.from(char));
      continue;
    }
    const escaped = escapeAt(text, at);
    if (escaped === undefined)
      throw new TextProtoError(line, 'the string that begins here has an unknown escape');
    bytes.push(escaped.bytes);
    at += escaped.length;
  }
}

/** What follows a backslash. */
function escapeAt(text: string, at: number): { bytes: Buffer; length: number } | undefined {
  const [, octal, hex, unicode, long, single] =
    /^(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(["'\\?abfnrtv]))/.exec(
      text.slice(at, at + 9),
    ) ?? [];
  if (octal !== undefined)
    return { bytes: Buffer.from([Number.parseInt(octal, 8) & 255]), length: octal.length };
  if (hex !== undefined) return { bytes: Buffer.from([Number.parseInt(hex, 16)]), length: hex.length + 1 };
  const point = unicode ?? long;
  if (point !== undefined) {
    const code = Number.parseInt(point, 16);
    if (code > 0x10ffff) return undefined;
    return { bytes: Buffer.from(String.fromCodePoint(code), 'utf8'), length: point.length + 1 };
  }
  if (single === undefined) return undefined;
  return { bytes: Buffer.from([ESCAPES[single] ?? single.charCodeAt(0)]), length: 1 };
}
