/** @typedef {{seconds?: number | undefined, jobs?: number | undefined, full?: boolean | undefined}} Amount */

/**
 * How much a benchmark does: its own default, `--jobs`, or about as much as takes `--seconds`.
 * @param {Amount} amount
 * @param {{usual: number, perSecond: number}} own
 */
export function sizeOf({ seconds, jobs }, { usual, perSecond }) {
  if (jobs !== undefined) return jobs;
  return seconds === undefined ? usual : Math.max(1, Math.round(seconds * perSecond));
}

/** Rounds in which each side runs once; a run of a second or two only checks that it works. */
export function roundsOf(/** @type {Amount} */ { seconds }, usual = 5) {
  return seconds !== undefined && seconds < 5 ? 1 : usual;
}
