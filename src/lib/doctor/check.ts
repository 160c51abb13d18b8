import type { DoctorContext } from './context.js';

export const TOPICS = ['redis', 'queues', 'workers', 'models', 'gpu', 'config', 'system'] as const;
export type Topic = (typeof TOPICS)[number];

/** `skip`: it could not be looked at, or does not apply here; counts for nothing. */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skip';

/** What someone may want to do with an installation; the last lines of `infer doctor` go by these. */
export const CAPABILITIES = ['submit', 'results', 'inspect', 'CPU workers', 'GPU workers'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What one check found. */
export interface Finding {
  status: CheckStatus;
  /** One line, with figures; raw text from Redis may be in it, so it is made printable when shown. */
  found: string;
  /** What to type or change; a command where there is one. */
  fix?: string | undefined;
  /** More lines: the other items where `found` names the first, and what only `--verbose` shows of a pass. */
  details?: readonly string[] | undefined;
  /** What does not work because of this. */
  blocks?: readonly Capability[] | undefined;
}

/** One thing that can be looked at. It changes nothing, in Redis or elsewhere. */
export interface Check {
  /** `redis-memory`; what a user types. */
  id: string;
  topic: Topic;
  /** A few words: what is looked at. */
  title: string;
  /** Milliseconds it may take; 5 s when not said. */
  limitMs?: number;
  /** @throws Unmet when it cannot be looked at, InferError for what is wrong. */
  run(context: DoctorContext): Finding | Promise<Finding>;
}

export interface CheckResult extends Finding {
  id: string;
  topic: Topic;
  title: string;
  /** How long it took. */
  ms: number;
  /** True when it was given up at its time limit and may still hold something open. */
  timedOut?: true;
}

type Extra = Pick<Finding, 'details' | 'blocks'>;

export function ok(found: string, details?: readonly string[]): Finding {
  return { status: 'ok', found, details };
}

export function warn(found: string, fix: string | undefined, extra: Extra = {}): Finding {
  return { status: 'warn', found, fix, ...extra };
}

export function fail(found: string, fix: string | undefined, extra: Extra = {}): Finding {
  return { status: 'fail', found, fix, ...extra };
}

export function skip(found: string, extra: Extra & { fix?: string } = {}): Finding {
  return { status: 'skip', found, ...extra };
}

/** The first of several findings as `found`, the others as details. */
export function several(lines: readonly string[]): { found: string; details?: readonly string[] } {
  const [first = '', ...more] = lines;
  return more.length === 0
    ? { found: first }
    : { found: `${first} (and ${more.length} more)`, details: more };
}
