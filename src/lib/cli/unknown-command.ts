import { closestWord } from '../config/suggest.js';
import { ERRORS } from '../core/error-table.js';
import type { ShownError } from './output/error.js';

/** Facts about the command line, for handling unknown words. */
export interface CommandLine {
  /** `infer`. */
  readonly bin: string;
  /** Commands as oclif names them: `redis:start`. */
  readonly commands: readonly string[];
  /** Flags that may follow every command, with their dashes: `--json`, `-q`. */
  readonly globalFlags: readonly string[];
}

/** Words that may stand alone, without a command. */
const ALONE = ['--help', '--version'];
/** With more than these, it is a list, not a suggestion. */
const MOST_MEANT = 3;

function usage(message: string, hint: string): ShownError {
  return { code: 'USAGE', message, hint, exitCode: ERRORS.USAGE.exitCode };
}

const didYouMean = (...commands: string[]): string =>
  `did you mean ${commands.map((command) => `'${command}'`).join(' or ')}?`;

/** The longest run of first words that resembles a command: `redis stat` resembles `redis start`. */
export function unknownCommand(words: readonly string[], line: CommandLine): ShownError {
  const { bin, commands } = line;
  const names = commands.map(spaced);
  const first = words[0] ?? '';
  if (first.startsWith('-')) return flagFirst(words, names, line);
  const [whole] = names
    .filter((name) => words.join(' ').startsWith(`${name} `))
    .sort((a, b) => b.length - a.length);
  if (whole !== undefined) {
    const rest = words.slice(whole.split(' ').length);
    // `inspect` is a command, and so is `inspect queues`.
    const meant = closestSubcommand(whole, rest[0] ?? '', names);
    if (meant !== undefined) {
      return usage(`there is no command '${bin} ${whole} ${rest[0]}'`, didYouMean(`${bin} ${meant}`));
    }
    return usage(`unexpected argument: ${rest.join(' ')}`, `${bin} ${whole} --help`);
  }
  const topic = names.some((name) => name.startsWith(`${first} `));
  const typed = words.slice(0, topic ? 2 : 1).join(' ');
  const meant = meantBy(words, names);
  if (meant.length === 0 && first === 'version') meant.push('--version');
  return usage(
    `there is no command '${bin} ${typed}'`,
    meant.length === 0
      ? `${bin} ${topic ? `${first} ` : ''}--help`
      : didYouMean(...meant.map((name) => `${bin} ${name}`)),
  );
}

/** Help was requested for an unknown topic: `infer help exitcodes`, `infer sbumit --help`. */
export function unknownHelp(words: readonly string[], { bin, commands }: CommandLine): ShownError {
  const names = commands.map(spaced);
  const typed = words.join(' ');
  const meant = meantBy(words, names).map((name) =>
    name.startsWith('help ') ? `${bin} ${name}` : `${bin} help ${name}`,
  );
  return usage(`there is no help on '${typed}'`, meant.length === 0 ? `${bin} --help` : didYouMean(...meant));
}

/** Commands that these words may mean, the likeliest; none when nothing is similar. */
function meantBy(words: readonly string[], names: readonly string[]): string[] {
  const [first = '', second] = words;
  const below = names.filter((name) => name.endsWith(` ${first}`));
  // `infer pause`: the name of a command without its topic.
  if (below.length > 0 && below.length <= MOST_MEANT) return below;
  if (names.some((name) => name.startsWith(`${first} `))) {
    const near = second === undefined ? undefined : closestSubcommand(first, second, names);
    return near === undefined ? [] : [near];
  }
  const single = names.filter((name) => !name.includes(' '));
  const near = closestWord(first, single) ?? closestTopic(first, second, names) ?? closestBelow(first, names);
  return near === undefined ? [] : [near];
}

/** A flag in place of a command: a misspelt `--version`, or `--json inspect` in the wrong order. */
function flagFirst(words: readonly string[], names: readonly string[], line: CommandLine): ShownError {
  const { bin, globalFlags } = line;
  const [flag = '', ...rest] = words;
  const name = flag.replace(/=.*$/s, '');
  if (!globalFlags.includes(name)) {
    const long = [...ALONE, ...globalFlags].filter((one) => one.startsWith('--'));
    // A single letter resembles every other one.
    const near = bare(name).length < 2 ? undefined : closestWord(bare(name), long.map(bare));
    const meant = long.find((one) => near !== undefined && bare(one) === near);
    const hint =
      meant === undefined
        ? `${bin} --help`
        : didYouMean(ALONE.includes(meant) ? `${bin} ${meant}` : `${bin} COMMAND ${meant}`);
    return usage(`there is no flag ${name}`, hint);
  }
  const at = rest.findIndex((word) => names.some((one) => one === word || one.startsWith(`${word} `)));
  const command = at < 0 ? ['COMMAND'] : rest.slice(at);
  const given = at < 0 ? [flag] : [flag, ...rest.slice(0, at)];
  return usage(
    `the command comes first, then its flags: ${name} was given before it`,
    [bin, ...command, ...given].join(' '),
  );
}

const spaced = (command: string): string => command.replaceAll(':', ' ');
const bare = (flag: string): string => flag.replace(/^-+/, '');

function closestSubcommand(topic: string, word: string, names: readonly string[]): string | undefined {
  const own = names
    .filter((name) => name.startsWith(`${topic} `))
    .map((name) => name.slice(topic.length + 1));
  const near = closestWord(word, own);
  return near === undefined ? undefined : `${topic} ${near}`;
}

function closestTopic(
  first: string,
  second: string | undefined,
  names: readonly string[],
): string | undefined {
  const topics = new Set(
    names.filter((name) => name.includes(' ')).map((name) => name.split(' ')[0] as string),
  );
  const topic = closestWord(first, topics);
  if (topic === undefined || second === undefined) return topic;
  return closestSubcommand(topic, second, names) ?? topic;
}

/** `exitcodes` for `help exit-codes`: resembles the name of one command below a topic. */
function closestBelow(word: string, names: readonly string[]): string | undefined {
  const below = names.filter((name) => name.includes(' '));
  const near = closestWord(
    word,
    below.map((name) => name.slice(name.indexOf(' ') + 1)),
  );
  return below.find((name) => near !== undefined && name.endsWith(` ${near}`));
}
