const FIRST_MS = 1000;
const LONGEST_MS = 60_000;
/** A part that has run for so long did not fail because of its start. */
const WELL_MS = 60_000;

/**
 * The pauses before a part is started again: 1 s, doubled while the part keeps failing, a minute at most.
 * After it has run for a minute, they begin again.
 */
export class RestartPauses {
  private failures = 0;

  /** @param ranMs how long the part had been running; 0 if it did not start. @returns the pause in ms */
  next(ranMs: number): number {
    if (ranMs >= WELL_MS) this.failures = 0;
    const pause = Math.min(FIRST_MS * 2 ** this.failures, LONGEST_MS);
    this.failures += 1;
    return pause;
  }
}
