/**
 * Exit codes of every command, one meaning each. 65..78 are the BSD `sysexits.h` numbers that fit;
 * 130 and 143 are 128 + signal number, as shells report them.
 */
export const ExitCode = {
  Ok: 0,
  /** It ran and the answer is bad: a job failed, a check failed. */
  Negative: 1,
  Usage: 2,
  /** Some of it worked. */
  Partial: 3,
  BadInput: 65,
  NoInput: 66,
  /** Redis or every worker is unreachable. */
  Unavailable: 69,
  /** A bug in infer itself. */
  Internal: 70,
  /** Try again later: the queue is full, or a wait timed out. */
  TryAgain: 75,
  NotPermitted: 77,
  BadConfig: 78,
  Interrupted: 130,
  Terminated: 143,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
