/** Something that is wrong right now, and the command that fixes it. */
export interface Problem {
  code: string;
  message: string;
  fix: string;
}
