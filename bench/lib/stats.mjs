/** @param {number[]} values @returns {number} */
export function median(values) {
  return percentile(values, 50);
}

/**
 * Nearest rank, so that every percentile is a measured value.
 * @param {number[]} values
 * @param {number} p
 */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * Three significant digits, with thousands separators.
 * @param {number} value
 */
function figure(value) {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/**
 * One line of a report. `ratio` is ours over the baseline, both of the same run.
 * @typedef {{what: string, ours: number, unit: string, against?: string, baseline?: number, ratio?: number,
 *   target?: string}} Line
 */

/**
 * Ours against a baseline, from rounds in which both were measured one after the other: the medians,
 * and the median of the ratios, which a machine that slows down half way does not tilt.
 * @param {{what: string, unit: string, against: string, target?: string}} words
 * @param {number[]} ours @param {number[]} baseline @returns {Line}
 */
export function compare(words, ours, baseline) {
  const ratios = ours.map((value, round) => value / (baseline[round] ?? Number.NaN));
  return { ...words, ours: median(ours), baseline: median(baseline), ratio: median(ratios) };
}

/** @param {Line[]} lines @returns {string} */
export function table(lines) {
  const head = ['measured', 'infer', 'baseline', 'ratio', 'target'];
  const body = lines.map((line) => [
    line.what,
    `${figure(line.ours)} ${line.unit}`,
    line.baseline === undefined ? '' : `${figure(line.baseline)} (${line.against})`,
    line.ratio === undefined ? '' : `${line.ratio.toFixed(2)}x`,
    line.target ?? '',
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...body].map((cells) => cells[i]?.length ?? 0)));
  return [head, ...body]
    .map((cells) => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}
