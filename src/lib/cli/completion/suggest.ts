import type { LiveKind } from '../../deployment/live-names.js';
/** What completion needs to know about a command; oclif's manifest has it without loading the command. */
export interface KnownCommand {
  id: string;
  hidden?: boolean | undefined;
  summary?: string | undefined;
  description?: string | undefined;
  strict?: boolean | undefined;
  flags: Readonly<Record<string, KnownFlag>>;
  args: Readonly<Record<string, KnownArg>>;
}

interface KnownArg {
  name: string;
  options?: readonly string[] | undefined;
  hidden?: boolean | undefined;
  multiple?: boolean | undefined;
}

export interface KnownFlag {
  name: string;
  type: 'boolean' | 'option';
  char?: string | undefined;
  aliases?: readonly string[] | undefined;
  options?: readonly string[] | undefined;
  multiple?: boolean | undefined;
  delimiter?: string | undefined;
  helpValue?: string | readonly string[] | undefined;
  summary?: string | undefined;
  description?: string | undefined;
  hidden?: boolean | undefined;
}

export interface Suggestion {
  value: string;
  about?: string | undefined;
}

export interface Suggested {
  values: Suggestion[];
  /** What the shell itself should offer. */
  paths?: 'files' | 'dirs' | undefined;
  /** Names to look up; each is inserted after `lead`, and those in `without` are already present. */
  live?: { kind: LiveKind; lead: string; start: string; without: readonly string[] } | undefined;
}

const NOTHING: Suggested = { values: [] };

/**
 * Suggests the next word. Pure: live names are only requested.
 * @param words what follows `infer`, up to the cursor; the last one is being typed and may be empty.
 */
export function suggest(words: readonly string[], commands: readonly KnownCommand[]): Suggested {
  const shown = commands.filter((command) => command.hidden !== true);
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  if (before[0] === 'help') return { values: nextWords(shown, before.slice(1), current, 'help') };
  const command = longestCommand(commands, before);
  const names = before.some((word) => word.startsWith('-')) ? [] : nextWords(shown, before, current);
  if (command === undefined) return { values: names };
  const rest = suggestFor(command, before.slice(command.id.split(':').length), current);
  return { ...rest, values: [...names, ...rest.values] };
}

/** The next word of every command that begins with the typed words. */
function nextWords(
  commands: readonly KnownCommand[],
  typed: readonly string[],
  current: string,
  topic?: string,
): Suggestion[] {
  const found = new Map<string, string | undefined>();
  for (const command of commands) {
    const all = command.id.split(':');
    // `infer help TOPIC` is a command too; `infer help COMMAND` takes the words of any other command.
    const own = topic !== undefined && all[0] === topic ? all.slice(1) : all;
    const next = own[typed.length];
    if (next === undefined || !typed.every((word, at) => word === own[at]) || !next.startsWith(current))
      continue;
    const whole = own.length === typed.length + 1;
    if (whole || !found.has(next)) found.set(next, whole ? about(command) : undefined);
  }
  return [...found].map(([value, about]) => ({ value, about })).sort((a, b) => (a.value < b.value ? -1 : 1));
}

function longestCommand(
  commands: readonly KnownCommand[],
  words: readonly string[],
): KnownCommand | undefined {
  return commands
    .filter(({ id }) => id.split(':').every((word, at) => word === words[at]))
    .sort((a, b) => b.id.length - a.id.length)[0];
}

function suggestFor(command: KnownCommand, words: readonly string[], current: string): Suggested {
  const flags = Object.values(command.flags).filter((flag) => flag.hidden !== true);
  const seen = walk(flags, words);
  if (seen.pending !== undefined) return valueOfFlag(seen.pending, '', current);
  if (!seen.ended && current.startsWith('-')) {
    const equals = current.indexOf('=');
    if (equals < 0) return { values: flagNames(flags, seen.used, current) };
    const flag = flags.find((one) => spellings(one).includes(current.slice(0, equals)));
    if (flag?.type !== 'option') return NOTHING;
    return valueOfFlag(flag, current.slice(0, equals + 1), current.slice(equals + 1));
  }
  const args = Object.values(command.args).filter((one) => one.hidden !== true);
  const last = args.at(-1);
  const repeats = last?.multiple === true || command.strict === false;
  const arg = args[seen.positions] ?? (repeats ? last : undefined);
  if (arg === undefined) return NOTHING;
  return value({ name: arg.name, options: arg.options, hint: '' }, '', current);
}

interface Seen {
  used: Set<string>;
  positions: number;
  /** The last word is a flag that still needs its value. */
  pending: KnownFlag | undefined;
  /** After `--` there are only arguments. */
  ended: boolean;
}

function walk(flags: readonly KnownFlag[], words: readonly string[]): Seen {
  const seen: Seen = { used: new Set(), positions: 0, pending: undefined, ended: false };
  for (const word of words) {
    if (seen.pending !== undefined) seen.pending = undefined;
    else if (seen.ended || !word.startsWith('-') || word === '-') seen.positions += 1;
    else if (word === '--') seen.ended = true;
    else {
      const [name, given] = word.split('=', 2);
      const flag = flags.find((one) => spellings(one).includes(name ?? ''));
      if (flag === undefined) continue;
      seen.used.add(flag.name);
      // `[time]`: the value is optional, so the next word may be an argument.
      const optional = String(flag.helpValue ?? '').startsWith('[');
      if (flag.type === 'option' && given === undefined && !optional) seen.pending = flag;
    }
  }
  return seen;
}

function spellings(flag: KnownFlag): string[] {
  const long = [flag.name, ...(flag.aliases ?? [])].map((name) => `--${name}`);
  return flag.char === undefined ? long : [...long, `-${flag.char}`];
}

function flagNames(flags: readonly KnownFlag[], used: ReadonlySet<string>, current: string): Suggestion[] {
  return flags
    .filter((flag) => flag.multiple === true || !used.has(flag.name))
    .map((flag) => ({ value: `--${flag.name}`, about: about(flag) }))
    .filter(({ value }) => value.startsWith(current))
    .sort((a, b) => (a.value < b.value ? -1 : 1));
}

/** The description without its `[default: …; env: …]`. */
function about({ summary, description }: KnownFlag | KnownCommand): string | undefined {
  return (summary ?? description)?.split('\n')[0]?.replace(/\s*\[(?:default|env):.*$/, '');
}

function valueOfFlag(flag: KnownFlag, lead: string, current: string): Suggested {
  const hint = String(flag.helpValue ?? '');
  const of = { name: flag.name, options: flag.options, hint };
  if (flag.delimiter === undefined) return value(of, lead, current);
  const list = current.split(flag.delimiter);
  const typed = list.slice(0, -1);
  const start = typed.map((one) => `${one}${flag.delimiter}`).join('');
  return value(of, `${lead}${start}`, list.at(-1) ?? '', typed);
}

interface ValueOf {
  name: string;
  options: readonly string[] | undefined;
  hint: string;
}

function value(of: ValueOf, lead: string, start: string, without: readonly string[] = []): Suggested {
  if (of.options !== undefined) {
    const fitting = of.options.filter((option) => option.startsWith(start) && !without.includes(option));
    return { values: fitting.map((option) => ({ value: `${lead}${option}` })) };
  }
  const name = of.name.toLowerCase();
  const live = (kind: LiveKind): Suggested => ({ values: [], live: { kind, lead, start, without } });
  if (/<dir>/.test(of.hint)) return { values: [], paths: 'dirs' };
  if (/<(?:file|path)>/.test(of.hint) || /^(?:file|data|input|trace)$/.test(name))
    return { values: [], paths: 'files' };
  if (/^queues?$/.test(name) || /<queues?>/.test(of.hint)) return live('queues');
  if (/^(?:workers?|destination)$/.test(name) || /<workers?>/.test(of.hint)) return live('workers');
  if (/^models?$/.test(name) || /<models?>/.test(of.hint)) return live('models');
  return NOTHING;
}
