import { Errors, type Hook } from '@oclif/core';
import { closestWord } from '../../config/suggest.js';
import { ExitCode } from '../../core/exit-codes.js';
import { errorJson, errorLines, type ShownError } from '../output/error.js';
import { jsonText, writeText } from '../output/json.js';
import { painter } from '../output/text.js';

/**
 * `infer sbumit data.json`: says what was meant and exits 2. oclif glues every word before the first
 * flag into one id (`sbumit:data.json`), so the words are taken apart again.
 */
const commandNotFound: Hook<'command_not_found'> = async ({ id, argv, config }) => {
  const words = id.split(':');
  const known = config.commands.filter((command) => !command.hidden).map((command) => command.id);
  const shown = unknownCommand(words, known, config.bin);
  if (argv?.includes('--json') === true) {
    await writeText(process.stdout, `${jsonText(errorJson(shown))}\n`);
  } else {
    const paint = painter(process.stderr, argv?.includes('--no-color') !== true);
    for (const line of errorLines(shown, paint)) process.stderr.write(`${line}\n`);
  }
  throw new Errors.ExitError(shown.exitCode);
};

/** The longest run of first words that is near a command: `redis stat` is near `redis start`. */
export function unknownCommand(words: readonly string[], known: readonly string[], bin: string): ShownError {
  const names = known.map((command) => command.replaceAll(':', ' '));
  const first = words[0] ?? '';
  const usage = (message: string, hint: string): ShownError => ({
    code: 'USAGE',
    message,
    hint,
    exitCode: ExitCode.Usage,
  });
  if (first.startsWith('-')) return usage(`a command must come before ${first}`, `${bin} --help`);
  const [whole] = names
    .filter((name) => words.join(' ').startsWith(`${name} `))
    .sort((a, b) => b.length - a.length);
  if (whole !== undefined) {
    const rest = words.slice(whole.split(' ').length);
    // `inspect` is a command, and so is `inspect queues`.
    const meant = closestSubcommand(whole, rest[0] ?? '', names);
    if (meant !== undefined) {
      return usage(`there is no command '${bin} ${whole} ${rest[0]}'`, `did you mean '${bin} ${meant}'?`);
    }
    const extra = rest.join(' ');
    return usage(`unexpected argument: ${extra}`, `${bin} ${whole} --help`);
  }
  const topic = names.some((name) => name.startsWith(`${first} `));
  const typed = words.slice(0, topic ? 2 : 1).join(' ');
  const near = topic
    ? closestSubcommand(first, words[1] ?? '', names)
    : (closestWord(first, names) ?? closestTopic(first, words[1], names));
  return usage(
    `there is no command '${bin} ${typed}'`,
    near === undefined ? `${bin} ${topic ? `${first} ` : ''}--help` : `did you mean '${bin} ${near}'?`,
  );
}

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

export default commandNotFound;
