import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../support/cli.js';

interface ManifestFlag {
  name: string;
  char?: string;
  aliases?: string[];
  allowNo?: boolean;
  hidden?: boolean;
}

/** oclif's metadata of every command, by id: `inspect:jobs`. */
export const COMMANDS = (
  JSON.parse(readFileSync(path.join(ROOT, 'oclif.manifest.json'), 'utf8')) as {
    commands: Record<string, { flags: Record<string, ManifestFlag>; examples?: string[]; hidden?: boolean }>;
  }
).commands;

/** Every way to write each flag of a command. */
export function flagsOf(id: string): string[] {
  return Object.values(COMMANDS[id]?.flags ?? {}).flatMap(({ name, char, aliases = [], allowNo }) => [
    ...[name, ...aliases].map((one) => (one.length === 1 ? `-${one}` : `--${one}`)),
    ...(char === undefined ? [] : [`-${char}`]),
    ...(allowNo === true ? [`--no-${name}`] : []),
  ]);
}

/** The command that the leading words name, longest name first: `bench model` before `bench`. */
export function commandOf(words: readonly string[]): { id: string; rest: string[] } | undefined {
  for (const count of [2, 1]) {
    const id = words.slice(0, count).join(':');
    if (words.length >= count && id in COMMANDS) return { id, rest: words.slice(count) };
  }
  return undefined;
}

/** What is wrong with a call of infer: an unknown command, or flags it does not have. */
export function misuse(words: readonly string[]): string[] {
  const command = commandOf(words) ?? commandOf(words.filter((word) => /^[a-z]/.test(word)));
  if (command === undefined) return [`no command ${words[0]}`];
  const end = words.indexOf('--');
  const known = [...flagsOf(command.id), '--help', '-h'];
  const own = (end < 0 ? words : words.slice(0, end)).filter((word) => /^--?[a-z]/i.test(word));
  return own.filter((word) => !known.includes(word.split('=')[0] as string));
}

/**
 * The infer calls in a line of shell, each as its words without `infer`, including those in pipes, `$(…)` and `<(…)`.
 * Redirections and comments are left out, and so are calls that `xargs` completes.
 */
export function callsIn(line: string): string[][] {
  return simpleCommands(line.replace(/^\$ /, ''))
    .map((words) => words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word))))
    .filter(([program]) => program === 'infer' || program === './bin/run.js')
    .map((words) => words.slice(1));
}

/** A line of shell as the words of each of its simple commands; only as much of the grammar as examples use. */
function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  const token =
    /(\s+#.*$|^#.*$)|([|;&()]|<\(|\$\(|"\$\()|(\d?[<>]+\s*[^\s<>|;&()]+)|((?:[^\s'"|;&()<>$]|\$(?!\()|'[^']*'|"(?!\$\()[^"]*")+)|\s|(.)/g;
  for (const [, comment, separator, redirection, word, other] of line.matchAll(token)) {
    if (comment !== undefined) break;
    // An unbalanced quote: this is output of a command.
    if (other === "'") return [];
    if (separator !== undefined) commands.push([]);
    else if (redirection === undefined && word !== undefined) {
      commands.at(-1)?.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, one, two) => one ?? two));
    }
  }
  return commands.filter((words) => words.length > 0);
}
