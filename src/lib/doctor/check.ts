import type { DoctorContext } from './context.js';

export const TOPICS = ['redis', 'queues', 'workers', 'models', 'gpu', 'config', 'system'] as const;
export type Topic = (typeof TOPICS)[number];

/** `skip`: it could not be checked, or does not apply here; not counted. */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skip';

/** What an installation can be used for; the last lines of `infer doctor` report on these. */
export const CAPABILITIES = ['submit', 'results', 'inspect', 'CPU workers', 'GPU workers'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What one check found. */
export interface Judgement {
  status: CheckStatus;
  /** One line, with figures; may contain raw text from Redis, so it is made printable when shown. */
  found: string;
  /** What to type or change; a command if there is one. */
  fix?: string | undefined;
  /**
   * More lines: the other items when `found` names the first, and details of a pass shown only by
   * `--verbose`.
   */
  details?: readonly string[] | undefined;
  /** What does not work because of it. */
  blocks?: readonly Capability[] | undefined;
}

/** One thing that can be checked. It changes nothing, in Redis or elsewhere. */
export interface Check {
  /** `redis-memory`; as typed by users. */
  id: string;
  topic: Topic;
  /** A few words: what is checked. */
  title: string;
  /** Time limit in milliseconds; default 5 s. */
  limitMs?: number;
  /** @throws Unmet when it cannot be checked, InferError for a problem. */
  run(context: DoctorContext): Judgement | Promise<Judgement>;
}

export interface CheckResult extends Judgement {
  id: string;
  topic: Topic;
  title: string;
  /** How long it took. */
  ms: number;
  /** True when it was abandoned at its time limit and may still hold something open. */
  timedOut?: true;
}

type Extra = Pick<Judgement, 'details' | 'blocks'>;

export function ok(found: string, details?: readonly string[]): Judgement {
  return { status: 'ok', found, details };
}

export function warn(found: string, fix: string | undefined, extra: Extra = {}): Judgement {
  return { status: 'warn', found, fix, ...extra };
}

export function fail(found: string, fix: string | undefined, extra: Extra = {}): Judgement {
  return { status: 'fail', found, fix, ...extra };
}

export function skip(found: string, extra: Extra & { fix?: string } = {}): Judgement {
  return { status: 'skip', found, ...extra };
}

/** The first of several findings as `found`, the others as details. */
export function several(lines: readonly string[]): { found: string; details?: readonly string[] } {
  const [first = '', ...more] = lines;
  return more.length === 0
    ? { found: first }
    : { found: `${first} (and ${more.length} more)`, details: more };
}
