import { plural } from '../core/counts.js';
import type { Progress } from '../operations/operation.js';
import { ProgressBar, type ProgressTarget, type Spinner, startSpinner } from './output/progress.js';

/** With fewer jobs, a bar would disappear before it is read. */
const WORTH_SHOWING = 200;

/** Shows the progress of an operation: a bar for many jobs, a spinner while workers are asked. */
export class OperationProgress {
  private bar: ProgressBar | undefined;
  private spinner: Promise<Spinner> | undefined;

  constructor(
    private readonly target: ProgressTarget,
    /** Label of the bar: `purging`. */
    private readonly label: string,
  ) {}

  readonly report = (progress: Progress): void => {
    switch (progress.kind) {
      case 'jobs':
        this.bar ??= this.barFor(progress.total, progress.done);
        this.bar.set(progress.done);
        return;
      case 'asking':
        this.spinner ??= startSpinner(`asking ${plural(progress.workers, 'worker')}`, this.target);
        return;
      case 'working':
        this.update(`${progress.worker}: ${progress.text}`);
        return;
      case 'awaiting': {
        const end = progress.until === 'gone' ? 'end' : 'are ready again';
        this.update(`waiting until ${plural(progress.workers, 'worker')} ${end}`);
      }
    }
  };

  /** Removed before anything is printed. */
  async stop(): Promise<void> {
    this.bar?.finish();
    (await this.spinner)?.stop();
  }

  /** @param first jobs of the first page, by which work of unknown size is judged */
  private barFor(total: number | undefined, first: number): ProgressBar {
    const shown = this.target.shown && (total ?? first) >= WORTH_SHOWING;
    return new ProgressBar({ ...this.target, shown }, { label: this.label, unit: 'jobs', total });
  }

  private update(text: string): void {
    void this.spinner?.then((spinner) => spinner.update(text));
  }
}
