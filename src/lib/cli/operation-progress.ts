import { plural } from '../core/counts.js';
import type { Progress } from '../operations/operation.js';
import { type ProgressBar, type ProgressTarget, type Spinner, startSpinner } from './output/progress.js';
import { workBar } from './work-bar.js';

/** Shows how far an operation has come: a bar for many jobs, a spinner while workers are asked. */
export class OperationProgress {
  private bar: ProgressBar | undefined;
  private spinner: Promise<Spinner> | undefined;

  constructor(
    private readonly target: ProgressTarget,
    /** Of the bar: `purging`. */
    private readonly label: string,
  ) {}

  readonly report = (progress: Progress): void => {
    switch (progress.kind) {
      case 'jobs':
        this.bar ??= workBar(this.target, this.label, progress.total, progress.done);
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

  /** Gone before anything is printed. */
  async stop(): Promise<void> {
    this.bar?.finish();
    (await this.spinner)?.stop();
  }

  private update(text: string): void {
    void this.spinner?.then((spinner) => spinner.update(text));
  }
}
