import { printable } from './printable.js';

/** The rule for names of one kind of thing. */
interface NameRule {
  /** `is not a queue name`. */
  readonly refused: string;
  readonly pattern: RegExp;
  readonly most: number;
  /** Addition to the sentence. */
  readonly also?: string;
  readonly example: string;
}

const RULES = {
  queue: {
    refused: 'is not a queue name',
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    most: 64,
    example: 'realtime',
  },
  job: {
    refused: 'cannot be a job id',
    // BullMQ uses integer ids itself (bullmq 6.7, classes/job.js `validateOptions`).
    pattern: /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    most: 128,
    also: ', not digits alone',
    example: 'order-1234',
  },
  model: {
    refused: 'is not a model name',
    pattern: /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
    most: 128,
    example: 'digits',
  },
  worker: {
    refused: 'is not a worker name',
    // `-d` separates names with commas and treats `*` as a wildcard; names given by an autoscaler contain an
    // `@`.
    pattern: /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/,
    most: 128,
    example: 'gpu-1',
  },
} as const satisfies Record<string, NameRule>;

export type Named = keyof typeof RULES;

/** Whether this is a valid name of that kind. */
export function isName(kind: Named, name: string): boolean {
  return RULES[kind].pattern.test(name);
}

/** A valid name similar to the given one: `real-time` for `real time`. */
export function nameLike(kind: Named, name: string): string {
  const { most, example } = RULES[kind];
  const like = name
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, most);
  const whole = kind === 'job' && /^\d+$/.test(like) ? `job-${like}`.slice(0, most) : like;
  return isName(kind, whole) && whole !== name ? whole : example;
}

/** Why this is not a valid name, with the rule and a valid example: one sentence. */
export function badName(kind: Named, name: string): string {
  const { refused, most, also = '' } = RULES[kind] as NameRule;
  const shown = printable(name.length > 80 ? `${name.slice(0, 79)}…` : name);
  const rule = `use letters, digits, dots, dashes and underscores, ${most} at most${also}`;
  return `'${shown}' ${refused}: ${rule}, such as ${nameLike(kind, name)}`;
}

/** A model as named by users: `digits`, or `digits@2` for one version. Any other `@` is part of the name. */
export function parseModel(text: string): { model: string; version?: number } {
  const [, model, version] = /^(.+)@(\d{1,9})$/.exec(text) ?? [];
  return model === undefined ? { model: text } : { model, version: Number(version) };
}
