import { TextProtoError, type Token, tokensOf } from './text-proto-tokens.js';

export { TextProtoError } from './text-proto-tokens.js';

/** One field of a message in protobuf's text format. */
export interface TextField {
  name: string;
  /** Line of its name, from 1. */
  line: number;
  value: TextValue;
}

export type TextValue =
  | { kind: 'string'; text: string }
  /** `text` as written, for integers above 2^53. */
  | { kind: 'number'; value: number; text: string }
  /** `true`, `TYPE_FP32`. */
  | { kind: 'word'; text: string }
  | { kind: 'message'; fields: TextField[] };

/** Deeper messages are refused; Triton's configuration has 6 levels. */
const MOST_DEPTH = 64;

/**
 * Reads protobuf's text format: messages in `{}` or `<>`, lists in `[]` (a field for each element), adjacent strings
 * joined, `#` comments, separators `,` and `;`. Extensions and `Any` in brackets are refused.
 * @throws TextProtoError with the line.
 */
export function parseTextProto(text: string): TextField[] {
  const reader = new Reader(tokensOf(text));
  return reader.fields(undefined, 0);
}

class Reader {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  /** Fields up to the closing bracket, or to the end of the text. */
  fields(close: string | undefined, depth: number, opened = 1): TextField[] {
    const found: TextField[] = [];
    for (;;) {
      const token = this.next();
      if (token.kind === 'end') {
        if (close === undefined) return found;
        throw new TextProtoError(opened, `the bracket opened here is never closed with ${close}`);
      }
      if (token.kind === 'sign' && token.text === close) return found;
      if (token.kind === 'sign' && token.text === '[')
        throw new TextProtoError(token.line, 'extensions in [ ] are not supported here');
      if (token.kind !== 'word')
        throw new TextProtoError(token.line, `${shown(token)} is not the name of a field`);
      found.push(...this.field(token, depth));
      this.take(',') || this.take(';');
    }
  }

  private field({ text: name, line }: Token, depth: number): TextField[] {
    const colon = this.take(':');
    const first = this.peek();
    const opens = first.kind === 'sign' && (first.text === '{' || first.text === '<' || first.text === '[');
    if (!colon && !opens) throw new TextProtoError(first.line, `a colon is missing after ${name}`);
    if (!this.take('[')) return [{ name, line, value: this.value(name, depth) }];
    const list: TextField[] = [];
    while (!this.take(']')) {
      if (list.length > 0 && !this.take(','))
        throw new TextProtoError(this.peek().line, `a comma or ] is missing in the list of ${name}`);
      const at = this.peek().line;
      list.push({ name, line: at, value: this.value(name, depth) });
    }
    return list;
  }

  private value(name: string, depth: number): TextValue {
    const token = this.next();
    if (token.kind === 'sign' && (token.text === '{' || token.text === '<')) {
      if (depth >= MOST_DEPTH)
        throw new TextProtoError(token.line, `messages are nested more than ${MOST_DEPTH} deep`);
      const close = token.text === '{' ? '}' : '>';
      return { kind: 'message', fields: this.fields(close, depth + 1, token.line) };
    }
    if (token.kind === 'string') {
      let { text } = token;
      while (this.peek().kind === 'string') text += this.next().text;
      return { kind: 'string', text };
    }
    if (token.kind === 'sign' && token.text === '-') {
      const { kind, text, line } = this.next();
      if (kind === 'number') return { kind: 'number', value: -Number(text), text: `-${text}` };
      if (kind === 'word' && /^inf(?:inity)?$/i.test(text))
        return { kind: 'number', value: Number.NEGATIVE_INFINITY, text: '-inf' };
      throw new TextProtoError(line, `a number is missing after - for ${name}`);
    }
    if (token.kind === 'number') return { kind: 'number', value: Number(token.text), text: token.text };
    if (token.kind === 'word') return { kind: 'word', text: token.text };
    throw new TextProtoError(token.line, `the value of ${name} is missing before ${shown(token)}`);
  }

  private take(sign: string): boolean {
    const { kind, text } = this.peek();
    if (kind !== 'sign' || text !== sign) return false;
    this.at += 1;
    return true;
  }

  private peek(): Token {
    return this.tokens[Math.min(this.at, this.tokens.length - 1)] as Token;
  }

  private next(): Token {
    const token = this.peek();
    this.at += 1;
    return token;
  }
}

function shown({ kind, text }: Token): string {
  if (kind === 'end') return 'the end of the file';
  return kind === 'string' ? 'a string' : `'${text}'`;
}
