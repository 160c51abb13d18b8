import type { ExitCode } from '../exit-codes.js';

/**
 * Who has to act on an error.
 * - `caller`: whoever called or configured infer; other input, flags, settings or workers get past it.
 * - `model`: the model or its handler.
 * - `device`: the machine that ran it: its GPU, disk, memory or ports.
 * - `broker`: the Redis server, or the way to it.
 * - `bug`: infer itself; please report it.
 */
export type Fault = 'caller' | 'model' | 'device' | 'broker' | 'bug';

/**
 * What a part of infer decides by, where it must tell errors apart.
 * - `one-model`: one model cannot be found or loaded; its worker can serve others.
 * - `no-model`: the runner, its device or the models directory is at fault; no model would load.
 * - `not-read`: a file of a model cannot be read, so what it holds is not known.
 * - `not-held`: a runner does not hold a model that its worker serves; another runner may.
 * - `ends-runner`: the runner is gone, or cannot be trusted any more, and is replaced.
 * - `not-the-rows`: the run was ended for a reason that says nothing about its rows.
 * - `unclear-peer`: what answers at an address may be something else than the message says, so it is probed.
 * - `no-answer`: Redis does not answer; to ask it for anything more would only keep the caller waiting.
 */
export type Trait =
  | 'one-model'
  | 'no-model'
  | 'not-read'
  | 'not-held'
  | 'ends-runner'
  | 'not-the-rows'
  | 'unclear-peer'
  | 'no-answer';

/** What is true of every error with one code. */
export interface ErrorFacts {
  /** What a command ends with. */
  readonly exitCode: ExitCode;
  /** Status of an HTTP answer that carries it. */
  readonly httpStatus: number;
  /**
   * Whether the same request may succeed later though the caller changes nothing. A job that fails with
   * such a code is tried again.
   */
  readonly retryable: boolean;
  readonly fault: Fault;
  /** The page of docs/ that explains it, with the heading's anchor. */
  readonly doc: string;
  readonly traits?: readonly Trait[];
  /** One sentence for docs/errors.md. */
  readonly meaning: string;
}

/** Codes that share everything but their meaning. */
export function errors<
  const Facts extends Omit<ErrorFacts, 'meaning'>,
  const Meanings extends Readonly<Record<string, string>>,
>(
  facts: Facts,
  meanings: Meanings,
): { readonly [Code in keyof Meanings]: Facts & Pick<ErrorFacts, 'meaning'> } {
  const rows = Object.entries(meanings).map(([code, meaning]) => [code, { ...facts, meaning }]);
  return Object.fromEntries(rows);
}
