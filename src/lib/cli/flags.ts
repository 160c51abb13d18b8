import { Flags, type Interfaces } from '@oclif/core';
import { SETTING_NAMES, type SettingName, settingOf } from '../config/settings.js';
import { AHEAD_MAX_MS, COUNT_MAX, DURATION_MAX_MS, TIMER_MAX_MS } from '../core/bounds.js';
import { InferError } from '../core/errors.js';
import { checkPriority, checkQueueName, type Priority, printable } from '../core/job.js';
import { parseBytes, parseDuration, parseMoment } from '../core/units.js';

/**
 * Flags for settings. Their values are read from `this.settings`, which also covers the environment, the
 * files and the defaults; therefore these flags add nothing to the type of `this.flags`.
 */
export function settingFlags(...names: SettingName[]): Record<never, never> {
  return Object.fromEntries(names.map((name) => [flagName(name), settingFlag(name)]));
}

function flagName(name: SettingName): string {
  const flag = settingOf(name).flag;
  if (flag === undefined) throw new Error(`setting ${name} has no flag`);
  return flag;
}

/** One flag from the table; `overrides` may change its texts, never what it accepts. */
export function settingFlag(
  name: SettingName,
  overrides: { char?: string; description?: string; helpGroup?: string; aliases?: string[] } = {},
): Interfaces.Flag<unknown> {
  const setting = settingOf(name);
  const char = overrides.char ?? setting.char;
  const shared = {
    description: overrides.description ?? `${setting.doc} ${origin(name)}`,
    ...(char === undefined ? {} : { char: char as Interfaces.AlphabetLowercase }),
    ...(overrides.helpGroup === undefined ? {} : { helpGroup: overrides.helpGroup }),
    ...(overrides.aliases === undefined ? {} : { aliases: overrides.aliases }),
  };
  if (setting.rule.boolean === true) return Flags.boolean(shared) as Interfaces.Flag<unknown>;
  const valued = {
    ...shared,
    ...(setting.helpValue === undefined ? {} : { helpValue: setting.helpValue }),
    ...(setting.rule.options === undefined ? {} : { options: [...setting.rule.options] }),
  };
  if (setting.rule.list === true) {
    return Flags.string({ ...valued, ...SEVERAL }) as Interfaces.Flag<unknown>;
  }
  return Flags.string(valued) as Interfaces.Flag<unknown>;
}

/** Does not use oclif's own `env`: the environment is read in one place, `config/load.ts`. */
function origin(name: SettingName): string {
  const setting = settingOf(name);
  const value = setting.defaultText ?? (setting.default === undefined ? undefined : String(setting.default));
  const shown = value === undefined || setting.rule.boolean === true ? '' : `default: ${value}; `;
  return `[${shown}env: ${setting.env}]`;
}

/** The settings given as flags, as typed, by setting name. */
export function settingsFromFlags(flags: Record<string, unknown>): Partial<Record<SettingName, unknown>> {
  const given: Partial<Record<SettingName, unknown>> = {};
  for (const name of SETTING_NAMES) {
    const { flag, rule } = settingOf(name);
    const value = flag === undefined ? undefined : flags[flag];
    // A command's own flag may share the name and take several: `worker --model a --model b`.
    if (Array.isArray(value) && rule.list !== true) continue;
    // Only what was typed: settings flags have no oclif default.
    if (value !== undefined && value !== false) given[name] = value;
  }
  return given;
}

/** Repeated or comma separated, without consuming the argument that follows (as oclif's `multiple` does). */
export const SEVERAL = { multiple: true, multipleNonGreedy: true, delimiter: ',' } as const;

export const priorityFlag = Flags.custom<Priority>({
  char: 'p',
  helpValue: '0..9',
  description: '9 is the most urgent, 0 the least [default: 0]',
  parse: async (input) => {
    if (/^-?\d+$/.test(input)) return checkPriority(Number(input));
    throw new InferError('PRIORITY_RANGE', `'${printable(input)}' is not a whole number of 0..9`, {
      hint: '--priority 9 for the most urgent work, 0 for the least',
    });
  },
});

/** Queues to act on, such as `-Q realtime,batch`. Not a setting: there is no default. */
const queuesFlag = Flags.custom<string>({
  char: 'Q',
  aliases: ['queue', 'queues'],
  helpValue: '<names>',
  description: 'only these queues',
  parse: async (input) => checkQueueName(input),
});

export function manyQueuesFlag(description: string): Interfaces.OptionFlag<string[] | undefined> {
  return queuesFlag({ ...SEVERAL, description }) as Interfaces.OptionFlag<string[] | undefined>;
}

/** Milliseconds of `500ms`, `30s`, `2h`; the default for `maxMs` is the maximum of a timer. */
export const durationFlag = Flags.custom<number, { maxMs?: number }>({
  helpValue: '<time>',
  parse: async (input, _context, { maxMs }) => parseDuration(input, maxMs ?? TIMER_MAX_MS),
});

/** A duration into the past, such as `--since 30d`. */
export function sinceFlag(description: string) {
  return durationFlag({ description, maxMs: DURATION_MAX_MS });
}

/** Milliseconds since the epoch of `2027-01-31T22:00`. */
const momentFlag = Flags.custom<number>({
  helpValue: '<time>',
  parse: async (input) => parseMoment(input),
});

/** When a job may start, and its deadline. */
export function startFlags() {
  return {
    delay: durationFlag({
      description: 'start it this long from now, not earlier',
      exclusive: ['at'],
      maxMs: AHEAD_MAX_MS,
    }),
    at: momentFlag({ description: 'start it at this time, not earlier: ISO 8601, local without a zone' }),
    expires: durationFlag({
      description: 'do not start it later than this from now, or from --delay or --at',
      maxMs: AHEAD_MAX_MS,
    }),
  };
}

/** The values of `startFlags`, for a client. */
export function startOptions({ delay, at, expires }: Record<'delay' | 'at' | 'expires', number | undefined>) {
  return { delayMs: delay, startAt: at, expiresMs: expires };
}

/** Bytes of `64kb`, `2gb`. */
export const bytesFlag = Flags.custom<number>({
  helpValue: '<size>',
  parse: async (input) => parseBytes(input),
});

/** An integer within bounds; oclif shows `<value>`, this shows the range. */
export function wholeFlag(options: {
  min: number;
  max?: number;
  char?: string;
  description: string;
  default?: number;
}): Interfaces.OptionFlag<number | undefined> {
  const { min, max, char, description } = options;
  return Flags.integer({
    min,
    max: max ?? COUNT_MAX,
    description,
    helpValue: max === undefined ? '<n>' : `${min}..${max}`,
    ...(char === undefined ? {} : { char: char as Interfaces.AlphabetLowercase }),
    ...(options.default === undefined ? {} : { default: options.default }),
  }) as Interfaces.OptionFlag<number | undefined>;
}

/** Flags with an optional value, and the value used if it is omitted. */
const optionalValues = new WeakMap<object, string>();

const DEFAULT_WAIT = '30s';

/**
 * `--wait`, `--wait 30s`, `--wait=30s`, and `--wait data.json` where the file is an argument: the next word
 * is the value only if it is a duration. In milliseconds, undefined when absent.
 */
export function waitFlag(
  options: { description?: string; fallback?: string; char?: string } = {},
): Interfaces.OptionFlag<number | undefined> {
  const fallback = options.fallback ?? DEFAULT_WAIT;
  const flag = durationFlag({
    helpValue: '[time]',
    description: options.description ?? `wait for the result, ${fallback} unless a time is given`,
    ...(options.char === undefined ? {} : { char: options.char as Interfaces.AlphabetLowercase }),
  });
  optionalValues.set(flag, fallback);
  return flag as Interfaces.OptionFlag<number | undefined>;
}

const DEFAULT_WATCH = '2s';
const WATCH_LEAST_MS = 100;

/** `--watch`, `--watch 0.5`: milliseconds between two looks, undefined when absent. */
export function watchFlag(): Interfaces.OptionFlag<number | undefined> {
  const flag = Flags.custom<number>({
    helpValue: '[time]',
    description: `refresh every ${DEFAULT_WATCH} unless a time is given; p pauses, s sorts, q quits`,
    parse: async (input) => {
      const ms = parseDuration(input, TIMER_MAX_MS);
      if (ms >= WATCH_LEAST_MS) return ms;
      throw new InferError('WATCH_RANGE', `${printable(input)} is too often`, {
        hint: `--watch ${WATCH_LEAST_MS / 1000} is the most often`,
      });
    },
  })();
  optionalValues.set(flag, DEFAULT_WATCH);
  return flag as Interfaces.OptionFlag<number | undefined>;
}

/** Workers to show: `-d gpu-1 -d gpu-2`, `-d 'gpu-*'`. */
export function destinationFlag(): Interfaces.OptionFlag<string[] | undefined> {
  const flag = Flags.string({
    ...SEVERAL,
    char: 'd',
    aliases: ['worker'],
    helpValue: '<worker>',
    description: 'only these workers: names, ids, hosts, or a pattern of names',
  });
  return flag as Interfaces.OptionFlag<string[] | undefined>;
}

/**
 * oclif has no optional flag values, so the words are completed before it parses them: a bare
 * `--wait` becomes `--wait=30s`.
 */
export function completeOptionalValues(
  argv: readonly string[],
  flags: Readonly<Record<string, { char?: string }>>,
): string[] {
  const fallbacks = new Map<string, { long: string; fallback: string }>();
  for (const [name, flag] of Object.entries(flags)) {
    const fallback = optionalValues.get(flag);
    if (fallback === undefined) continue;
    fallbacks.set(`--${name}`, { long: `--${name}`, fallback });
    if (flag.char !== undefined) fallbacks.set(`-${flag.char}`, { long: `--${name}`, fallback });
  }
  const end = argv.indexOf('--');
  const last = end < 0 ? argv.length : end;
  const words: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    const optional = at < last ? fallbacks.get(word) : undefined;
    const next = at + 1 < last ? argv[at + 1] : undefined;
    if (optional === undefined) words.push(word);
    else if (next !== undefined && LIKE_DURATION.test(next)) {
      words.push(`${optional.long}=${next}`);
      at += 1;
    } else words.push(`${optional.long}=${optional.fallback}`);
  }
  return words;
}

/**
 * `30s`, and also `30sec`, `5 minutes` and durations that are too long: no file or id looks like that, so the
 * error should be about the time.
 */
const LIKE_DURATION =
  /^\s*\d+(?:[.,]\d+)?\s*(?:ms|msecs?|millis\w*|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)?\s*$/i;

/**
 * The error for the word after `--wait` that is not a duration, if it cannot be an argument either: the line
 * has more words than the command takes (`--wait abc rows.json`), or there is no such file. Undefined when
 * there is none.
 * @param like words that may be meant as a duration
 */
export function misreadTime(
  argv: readonly string[],
  flags: Readonly<Record<string, { char?: string }>>,
  like = /^[^-]/,
): InferError | undefined {
  const names = new Map<string, string>();
  for (const [name, flag] of Object.entries(flags)) {
    if (!optionalValues.has(flag)) continue;
    names.set(`--${name}`, name);
    if (flag.char !== undefined) names.set(`-${flag.char}`, name);
  }
  const at = argv.findIndex((word) => names.has(word));
  const word = at < 0 ? undefined : argv[at + 1];
  if (word === undefined || !like.test(word)) return undefined;
  try {
    parseDuration(word, TIMER_MAX_MS);
    return undefined;
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    return error.reworded(`--${names.get(argv[at] as string)}: ${error.message}`);
  }
}
