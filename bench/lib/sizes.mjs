/** @typedef {{seconds?: number | undefined, jobs?: number | undefined, full?: boolean | undefined}} Amount */

/**
 * How much a benchmark does: its own default, `--jobs`, or about so many seconds of it.
 * @param {Amount} amount @param {{usual: number, perSecond: number}} own
 */
export function sizeOf({ seconds, jobs }, { usual, perSecond }) {
  if (jobs !== undefined) return jobs;
  return seconds === undefined ? usual : Math.max(1, Math.round(seconds * perSecond));
}

/** Rounds in which each side has its turn; a run of a second or two is only a check that it works. */
export function roundsOf(/** @type {Amount} */ { seconds }, usual = 5) {
  return seconds !== undefined && seconds < 5 ? 1 : usual;
}
