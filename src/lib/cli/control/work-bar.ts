import { ProgressBar, type ProgressTarget } from '../output/progress.js';

/** Jobs below which a bar would be gone before it is read. */
const WORTH_SHOWING = 200;

/** A bar for work on so many jobs; hidden where it takes no time. */
export function workBar(target: ProgressTarget, label: string, total: number): ProgressBar {
  const shown = target.shown && total >= WORTH_SHOWING;
  return new ProgressBar({ ...target, shown }, { label, unit: 'jobs', total });
}
