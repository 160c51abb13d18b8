/**
 * Exit codes of all commands, one meaning each. 65..78 are the BSD `sysexits.h` numbers that fit; 129, 130
 * and 143 are 128 + signal number, as shells report them.
 */
export const ExitCode = {
  Ok: 0,
  /** It ran, but the result is negative: a job failed, a check failed. */
  Negative: 1,
  Usage: 2,
  /** Part of it succeeded. */
  Partial: 3,
  BadInput: 65,
  NoInput: 66,
  /** Redis or every worker is unreachable. */
  Unavailable: 69,
  /** A bug in infer itself. */
  Internal: 70,
  /** Its output could not be written. */
  Output: 74,
  /** Try again later: the queue is full, or a wait timed out. */
  TryAgain: 75,
  NotPermitted: 77,
  BadConfig: 78,
  HungUp: 129,
  Interrupted: 130,
  Terminated: 143,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface ExitCodeFacts {
  code: ExitCode;
  /** Its meaning in a few words. */
  meaning: string;
  /** A command that exits with it, and when. */
  example: string;
}

/** Every code with its meaning, for `infer help exit-codes`; the type ensures that none is missing. */
const FACTS: Readonly<Record<keyof typeof ExitCode, Omit<ExitCodeFacts, 'code'>>> = {
  Ok: { meaning: 'success', example: 'infer submit data.json --wait: the job completed' },
  Negative: {
    meaning: 'negative answer: a job failed, a check failed',
    example: 'infer redis status: it does not run',
  },
  Usage: {
    meaning: 'wrong usage: an unknown command or flag, an invalid value',
    example: 'infer submit data.json --priority 12',
  },
  Partial: {
    meaning: 'partial success',
    example: 'infer result GROUP: some of its rows failed',
  },
  BadInput: { meaning: 'bad input data; the message names the line', example: 'infer submit broken.json' },
  NoInput: {
    meaning: 'not found: a file, a model, an id',
    example: 'infer submit missing.json',
  },
  Unavailable: {
    meaning: 'unreachable: Redis, or another service or device it needs',
    example: 'infer inspect --redis redis://127.0.0.1:1',
  },
  Internal: { meaning: 'a bug in infer', example: 'please report it, with INFER_DEBUG=1' },
  Output: {
    meaning: 'standard output cannot be written: a full disk, a closed terminal',
    example: 'infer models > /dev/full',
  },
  TryAgain: {
    meaning: 'try again: the queue is full, or a wait timed out',
    example: 'infer result ID --wait 5s: the job has not ended',
  },
  NotPermitted: {
    meaning: 'not permitted: Redis refused the user, its password or a command',
    example: 'infer submit data.json, as a user that may only read',
  },
  BadConfig: {
    meaning: 'bad configuration: a variable or a file',
    example: 'INFER_RETRIES=many infer inspect',
  },
  HungUp: {
    meaning: 'its terminal was closed (SIGHUP); 0 for a worker or server that shut down cleanly',
    example: 'infer submit data.json --wait, and the window is closed',
  },
  Interrupted: {
    meaning: 'stopped by Ctrl-C (SIGINT)',
    example: 'infer submit data.json --wait, and Ctrl-C',
  },
  Terminated: {
    meaning: 'stopped by SIGTERM; 0 for a worker or server that shut down cleanly',
    example: 'infer submit data.json --wait, and kill',
  },
};

export const EXIT_CODES: readonly ExitCodeFacts[] = Object.entries(FACTS).map(([name, facts]) => ({
  code: ExitCode[name as keyof typeof ExitCode],
  ...facts,
}));
