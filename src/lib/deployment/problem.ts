/** A current problem, and the command that fixes it. */
export interface Problem {
  code: string;
  message: string;
  fix: string;
}
