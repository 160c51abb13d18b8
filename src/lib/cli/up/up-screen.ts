import type { UpEvent, UpReady } from '../../up/types.js';
import { NdjsonWriter } from '../output/json.js';
import { type ProgressTarget, type Spinner, startSpinner } from '../output/progress.js';
import type { Paint } from '../output/text.js';
import { eventLines, startedPart, upBanner, upReadyLine } from '../views/up-view.js';

export interface UpScreenOptions {
  /** Events as NDJSON on standard output, beginning with `ready`. */
  json: boolean;
  version: string;
  drainTimeoutMs: number;
  progress: ProgressTarget;
  paint: Paint;
  note: (line: string) => void;
}

/** What `infer up` shows: progress while it starts, its banner, then one line for each event. */
export class UpScreen {
  private readonly ndjson = new NdjsonWriter(process.stdout);
  private spinner: Spinner | undefined;
  private isReady = false;

  private constructor(private readonly options: UpScreenOptions) {}

  static async open(options: UpScreenOptions): Promise<UpScreen> {
    const screen = new UpScreen(options);
    screen.spinner = await startSpinner('starting', options.progress);
    return screen;
  }

  readonly tell = (event: UpEvent): void => {
    const { json, note, paint } = this.options;
    if (json) {
      if (this.isReady) this.write(event);
      return;
    }
    if (!this.isReady && event.event === 'started') note(startedPart(event.part, event.detail, paint));
    else for (const line of eventLines(event, new Date(), paint)) note(line);
  };

  ready(ready: UpReady): void {
    const { json, note, paint } = this.options;
    this.end();
    this.isReady = true;
    if (json) {
      this.write({ event: 'ready', ...ready });
      return;
    }
    for (const line of upBanner({ ...this.options, ready }, { paint })) note(line);
    note(upReadyLine({ ...this.options, ready }, false, paint));
  }

  /** Ends the animation. */
  end(): void {
    this.spinner?.stop();
    this.spinner = undefined;
  }

  private write(event: UpEvent): void {
    // A reader that has gone does not end it: see `runOnWithoutOutput`.
    void this.ndjson.write({ at: new Date().toISOString(), ...event });
  }
}
