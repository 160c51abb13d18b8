import { printable } from '../../core/printable.js';
import type { Layout } from './text.js';
import { visibleWidth } from './width.js';

/** With less width than this, wrapped lines are harder to read than long ones. */
export const LEAST_WIDTH = 20;

/**
 * Wraps text at `width` columns, between words and never within a command, so that commands can be copied.
 * Anything longer than a line gets its own, unbroken: if the terminal breaks it, it is still copied as one
 * line.
 */
export function wrapWords(text: string, width: number): string[] {
  return joinWithin(wholes(text), ' ', width);
}

/** The beginning of a command line, in our own hints and in quoted ones. */
const PROGRAM =
  /^['"`(]?(?:infer|npx|npm|node|redis-cli|redis-server|curl|docker|sudo|systemctl|kill|cd|(?:\.|\/|\w:)\S*run\.js)$/;
/** Words of a command that are neither flags nor their values: command names, FILES and `'quoted names'`. */
const COMMAND_WORD = /^(?:[a-z]+(?:-[a-z]+)*|[A-Z][A-Z_.]*|[<['"`].*|.*[./*=~@…].*)$/;
const ASSIGNMENT = /^[A-Z][A-Z0-9_]*=\S*$/;
/** Words of a sentence, which are never the value of a flag. */
const PROSE =
  /^(?:and|or|to|in|on|for|then|where|when|if|unless|with|is|are|it|so|says|shows|lists|of|the|a)$/;
const FLAG = /^['"`([]?--?[a-zA-Z]/;
const CLAUSE_END = /(?:[,;:?]|[^.]\.|\))$/;
/** Command names have at most two words: `workers start`. */
const NAME_WORDS = 2;

/** The unbreakable parts of a sentence: its words, and each command as one. */
export function wholes(text: string): string[] {
  const words = text.split(' ');
  const parts: string[] = [];
  for (let at = 0; at < words.length; ) {
    // `INFER_RETRIES=3 infer worker` is one command.
    const program = words.findIndex((word, i) => i >= at && !ASSIGNMENT.test(word));
    const end = PROGRAM.test(words[program] ?? '') ? commandEnd(words, program) : flagEnd(words, at);
    parts.push(words.slice(at, end).join(' '));
    at = end;
  }
  return parts;
}

/**
 * Where the command that begins at `at` ends: at the end of its clause, or at the first word that cannot
 * belong to it.
 */
function commandEnd(words: readonly string[], at: number): number {
  let names = 0;
  let flags = false;
  let quote: string | undefined;
  for (let end = at + 1; end < words.length; end++) {
    const before = words[end - 1] as string;
    const word = words[end] as string;
    if (quote !== undefined) {
      if (word.includes(quote)) quote = undefined;
      continue;
    }
    if (end > at + 1 && CLAUSE_END.test(before)) return end;
    if (PROSE.test(word)) return end;
    if (!FLAG.test(word) && !FLAG.test(before) && word !== '--' && word !== '-') {
      if (!COMMAND_WORD.test(word) && !/\d/.test(word)) return end;
      // After its flags, no plain word belongs to it any more.
      if (/^[a-z-]+[,;:.?]?$/.test(word) && (flags || ++names > NAME_WORDS)) return end;
    }
    flags ||= FLAG.test(word);
    const open = /^[^'"`]*(['"])[^'"]*$/.exec(word)?.[1];
    if (open !== undefined && !/\w'\w/.test(word) && !word.endsWith(open)) quote = open;
  }
  return words.length;
}

/**
 * A flag outside a command keeps its value if it clearly is one: `-Q batch`, `--error CODE`, `--batch-window
 * 5ms`.
 */
function flagEnd(words: readonly string[], at: number): number {
  const [word = '', next] = [words[at], words[at + 1]];
  const valued = FLAG.test(word) && !CLAUSE_END.test(word) && next !== undefined;
  return valued && /^(?:[A-Z][A-Z_]+|\d\S*|<.*|\S*[./]\S+)[,;.]?$/.test(next) ? at + 2 : at + 1;
}

/**
 * A sentence after its label (`Error: `, `Try: `), wrapped to fit its stream; further lines are indented to
 * where it began. In a pipe it stays one line.
 */
export function sentence(
  head: string,
  text: string,
  width: number,
  style: (line: string) => string = (line) => line,
): string[] {
  const indent = visibleWidth(head);
  const room = width - indent < LEAST_WIDTH ? Number.POSITIVE_INFINITY : width - indent;
  return text
    .split('\n')
    .flatMap((line) => wrapWords(printable(line), room))
    .map((line, at) => (at === 0 ? head : ' '.repeat(indent)) + style(line));
}

/** `  Try: infer worker -Q nightly`, printed below what it refers to. */
export function hintLines(hint: string, layout: Layout, indent = ''): string[] {
  const { paint } = layout;
  return sentence(`${indent}${paint('dim', 'Try:')} `, hint, widthIn(layout), (line) => paint('cyan', line));
}

/** Columns of a view: unlimited outside a terminal. */
export function widthIn({ tty, width }: Layout): number {
  return tty ? width : Number.POSITIVE_INFINITY;
}

/** Joins parts into lines of at most this many columns; a longer part gets its own line. */
export function joinWithin(parts: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}${separator}${part}`;
    if (lines.length > 0 && visibleWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}
