import { type LoadedSettings, loadSettings } from '../../config/load.js';
import { liveNames } from '../../deployment/live-names.js';
import { type KnownCommand, type Suggestion, suggest } from './suggest.js';

/**
 * The answer to a completion script: a line saying what the shell itself should offer, then one
 * `value<TAB>about` per suggestion.
 * @param words what follows `infer`; the last one is being typed.
 */
export async function answerLines(
  words: readonly string[],
  commands: readonly KnownCommand[],
  packageRoot: string,
): Promise<string[]> {
  const { values, paths, live } = suggest(words, commands);
  const found: Suggestion[] = [...values];
  if (live !== undefined) {
    const loaded = await settingsOf(words, packageRoot);
    const names = loaded === undefined ? [] : (await liveNames(loaded, Date.now()))[live.kind];
    const fitting = names.filter((name) => name.startsWith(live.start) && !live.without.includes(name));
    found.push(...fitting.map((name) => ({ value: `${live.lead}${name}` })));
  }
  const lines = found.map(({ value, about }) => (about === undefined ? value : `${value}\t${about}`));
  return [`:${paths ?? 'none'}`, ...lines];
}

/** The settings, with the Redis given on the line itself; undefined when they are invalid. */
async function settingsOf(
  words: readonly string[],
  packageRoot: string,
): Promise<LoadedSettings | undefined> {
  const redisUrl = givenFlag(words, '--redis');
  const prefix = givenFlag(words, '--prefix');
  const modelsDir = givenFlag(words, '--models');
  try {
    return await loadSettings({ flags: { redisUrl, prefix, modelsDir }, packageRoot });
  } catch {
    return undefined;
  }
}

function givenFlag(words: readonly string[], flag: string): string | undefined {
  const at = words.slice(0, -1).findLastIndex((word) => word === flag || word.startsWith(`${flag}=`));
  const word = words[at];
  if (word === undefined) return undefined;
  // The last word is not finished yet.
  return word === flag
    ? at + 1 < words.length - 1
      ? words[at + 1]
      : undefined
    : word.slice(flag.length + 1);
}
