import { ProgressBar, type ProgressTarget } from './output/progress.js';

/** Jobs below which a bar would be gone before it is read. */
const WORTH_SHOWING = 200;

/**
 * A bar for work on jobs; hidden where it takes no time.
 * @param total undefined where it is not known
 * @param first jobs of the first page, by which work of unknown size is judged
 */
export function workBar(
  target: ProgressTarget,
  label: string,
  total: number | undefined,
  first: number,
): ProgressBar {
  const shown = target.shown && (total ?? first) >= WORTH_SHOWING;
  return new ProgressBar({ ...target, shown }, { label, unit: 'jobs', total });
}
