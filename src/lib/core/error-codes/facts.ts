import type { ExitCode } from '../exit-codes.js';

/**
 * Who has to act on an error.
 * - `caller`: the user or configuration of infer; fixed by other input, flags, settings or workers.
 * - `model`: the model or its handler.
 * - `device`: the machine that ran the job: its GPU, disk, memory or ports.
 * - `broker`: the Redis server, or the connection to it.
 * - `bug`: infer itself; please report it.
 */
export type Fault = 'caller' | 'model' | 'device' | 'broker' | 'bug';

/**
 * Properties that decide how parts of infer handle an error.
 * - `one-model`: one model cannot be found or loaded; its worker can serve others.
 * - `no-model`: the runner, its device or the models directory is at fault; no model would load.
 * - `not-read`: a file of a model cannot be read, so its content is unknown.
 * - `not-held`: a runner does not hold a model that its worker serves; another runner may.
 * - `ends-runner`: the runner has died or can no longer be trusted, and is replaced.
 * - `not-the-rows`: the run was ended for a reason unrelated to its rows.
 * - `unclear-peer`: the server at an address may be something else than the message says, so it is probed.
 * - `no-answer`: Redis does not answer; any further command would only delay the caller.
 * - `settings-wrong`: the address, password or rights used for Redis are wrong; only the caller can fix them.
 * - `soon-over`: the server ends this state by itself; a connection that is being opened waits for it.
 * - `still-serves`: the server refuses some commands, and others may work.
 * - `bad-rows`: rows are refused, and would be refused again.
 * - `names-nothing`: a word of the command names nothing that exists; it may have been meant as something
 *   else.
 */
export type Trait =
  | 'one-model'
  | 'no-model'
  | 'not-read'
  | 'not-held'
  | 'ends-runner'
  | 'not-the-rows'
  | 'unclear-peer'
  | 'no-answer'
  | 'settings-wrong'
  | 'soon-over'
  | 'still-serves'
  | 'bad-rows'
  | 'names-nothing';

/** Facts about every error with a given code. */
export interface ErrorFacts {
  /** Exit code of a command that fails with it. */
  readonly exitCode: ExitCode;
  /** Status of an HTTP response for it. */
  readonly httpStatus: number;
  /**
   * Whether the same request may succeed later without a change by the caller. A job that fails with such a
   * code is retried.
   */
  readonly retryable: boolean;
  readonly fault: Fault;
  /** The page in docs/ that explains it, with the heading's anchor. */
  readonly doc: string;
  readonly traits?: readonly Trait[];
  /** One sentence for docs/errors.md. */
  readonly meaning: string;
}

/** Codes that share everything except their meaning. */
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
