import { BOUNDS, type Bound, TIMER_MAX_MS } from '../core/bounds.js';
import { parseDuration, writtenDuration } from '../core/units.js';

/**
 * The rule for a setting's value. Strings come from flags and the environment, other types from files; one
 * rule reads both, so a value means the same wherever it is written.
 */
export interface Rule<T> {
  /** As text, for errors and documentation: "a whole number of 1 or more". */
  readonly text: string;
  /** A valid value, for the fix in an error. */
  readonly example: string;
  readonly options?: readonly string[];
  readonly boolean?: true;
  readonly list?: true;
  /**
   * What is wrong with a value that breaks the rule, as a sentence; and the value that was likely meant. If
   * the value may contain a password, neither repeats any of it.
   */
  wrong?(raw: unknown): { message: string; example: string } | undefined;
  /** The value, or undefined when it breaks the rule. */
  read(raw: unknown): T | undefined;
}

/** The text of a value that may be a number in a file; undefined when there is none. */
export function textOf(raw: unknown): string | undefined {
  if (typeof raw === 'string') return raw.trim() === '' ? undefined : raw.trim();
  return typeof raw === 'number' && Number.isFinite(raw) ? String(raw) : undefined;
}

/** Any non-empty text. */
export function text(what: string, example: string, pattern?: RegExp): Rule<string> {
  return {
    text: what,
    example,
    read: (raw) => {
      const value = textOf(raw);
      return value === undefined || (pattern !== undefined && !pattern.test(value)) ? undefined : value;
    },
  };
}

export function integer({ min, max }: Bound): Rule<number> {
  return {
    text: `a whole number of ${min}..${max}`,
    example: String(Math.max(min, Math.min(max, 4))),
    read: (raw) => {
      const value = textOf(raw);
      if (value === undefined || !/^-?\d+$/.test(value)) return undefined;
      const number = Number(value);
      return number >= min && number <= max ? number : undefined;
    },
  };
}

/** A duration such as `30s`, read as milliseconds; a bare number is seconds. */
export function duration(minMs: number, example: string, maxMs: number = TIMER_MAX_MS): Rule<number> {
  const most = writtenDuration(maxMs);
  const range = minMs > 0 ? `of ${minMs} ms to ${most}` : `of at most ${most}`;
  return {
    text: `a duration ${range} with a unit (ms, s, m, h, d; a bare number is seconds)`,
    example,
    read: (raw) => {
      const ms = durationOf(raw);
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
  };
}

/** The same, in whole seconds. */
export function seconds(example: string): Rule<number> {
  return {
    text: `a duration of whole seconds, at most ${writtenDuration(1000 * BOUNDS.keepS.max)} (3600, 90s, 1h; 0 stores nothing)`,
    example,
    read: (raw) => {
      const ms = durationOf(raw);
      return ms !== undefined && ms % 1000 === 0 ? ms / 1000 : undefined;
    },
  };
}

function durationOf(raw: unknown): number | undefined {
  const value = textOf(raw);
  if (value === undefined) return undefined;
  try {
    return parseDuration(value);
  } catch {
    return undefined;
  }
}

const TRUE = new Set(['1', 'true', 'yes', 'on']);
const FALSE = new Set(['0', 'false', 'no', 'off']);

export function boolean(): Rule<boolean> {
  return {
    text: 'true or false (also 1/0, yes/no, on/off)',
    example: 'true',
    boolean: true,
    read: (raw) => {
      if (typeof raw === 'boolean') return raw;
      const value = textOf(raw)?.toLowerCase() ?? '';
      if (TRUE.has(value)) return true;
      return FALSE.has(value) ? false : undefined;
    },
  };
}

export function oneOf<const T extends string>(options: readonly T[]): Rule<T> {
  return {
    text: `one of ${options.join(', ')}`,
    example: options[0] as string,
    options,
    read: (raw) => {
      const value = textOf(raw);
      return options.find((option) => option === value);
    },
  };
}
