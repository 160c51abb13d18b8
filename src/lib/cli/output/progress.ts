import { stripVTControlCharacters } from 'node:util';
import { count } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { type OutputStream, type Paint, widthOf } from './text.js';

/** Where and whether progress is shown; created by the base command for standard error. */
export interface ProgressTarget {
  readonly stream: OutputStream;
  readonly paint: Paint;
  /** False under `--quiet` and `--json`: nothing at all is shown. */
  readonly shown: boolean;
  /** False outside a terminal, in CI, with TERM=dumb or 0 columns: no line is ever redrawn. */
  readonly animated: boolean;
  readonly color: boolean;
}

export interface Spinner {
  update(text: string): void;
  succeed(text?: string): void;
  fail(text?: string): void;
  stop(): void;
}

/**
 * Shows that something short is in progress. Where no line may be redrawn, only the outcome is written. Never
 * animates on a terminal of 0 columns: ora 9.4 then redraws forever.
 */
export async function startSpinner(text: string, target: ProgressTarget): Promise<Spinner> {
  let current = text;
  const say = (symbol: string, line: string) => {
    if (target.shown) target.stream.write(`${symbol} ${printable(line)}\n`);
  };
  const ok = target.paint('green', '✓');
  const bad = target.paint('red', '✗');
  if (!target.shown || !target.animated || !Number.isFinite(widthOf(target.stream))) {
    return {
      update: (next) => {
        current = next;
      },
      succeed: (line = current) => say(ok, line),
      fail: (line = current) => say(bad, line),
      stop: () => undefined,
    };
  }
  const { default: ora } = await import('ora');
  const spinner = ora({
    text: printable(text),
    stream: target.stream as unknown as NodeJS.WritableStream,
    // ora ignores NO_COLOR for its frame.
    color: target.color ? 'cyan' : false,
    // If ora read stdin, it would consume input meant for `submit -` and swallow Ctrl-C.
    discardStdin: false,
  }).start();
  return {
    update: (next) => {
      current = next;
      spinner.text = printable(next);
    },
    // ora's own symbols are coloured regardless of NO_COLOR, so we write the last line.
    succeed: (line = current) => {
      spinner.stop();
      say(ok, line);
    },
    fail: (line = current) => {
      spinner.stop();
      say(bad, line);
    },
    stop: () => void spinner.stop(),
  };
}

export interface ProgressBarOptions {
  label: string;
  /** What is counted: `rows`. */
  unit: string;
  total?: number | undefined;
  /** The work may have started earlier: what the first call counts does not belong to this bar's time. */
  joins?: boolean | undefined;
  now?: (() => number) | undefined;
}

const REDRAW_MS = 100;
const LINE_MS = 5000;
const LINE_SHARE = 0.1;
const BAR_CELLS = 20;
const CLEAR_LINE = '\r\u001b[2K';

/** Long work on standard error: one redrawn line or, outside a terminal, a line every 10 % or 5 s. */
export class ProgressBar {
  readonly #target: ProgressTarget;
  readonly #options: ProgressBarOptions;
  readonly #now: () => number;
  readonly #startedAt: number;
  #total: number | undefined;
  #done = 0;
  #doneBefore: number | undefined;
  #lastAt: number;
  #lastShare = 0;
  #drawn = false;
  #ended = false;

  constructor(target: ProgressTarget, options: ProgressBarOptions) {
    this.#target = target;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#total = options.total;
    this.#startedAt = this.#now();
    this.#lastAt = target.animated ? Number.NEGATIVE_INFINITY : this.#startedAt;
  }

  get done(): number {
    return this.#done;
  }

  /** The total may become known later. */
  setTotal(total: number): void {
    this.#total = total;
  }

  add(units: number): void {
    this.set(this.#done + units);
  }

  set(done: number): void {
    this.#doneBefore ??= this.#options.joins === true ? done : 0;
    this.#done = done;
    if (!this.#target.shown || this.#ended) return;
    const now = this.#now();
    if (this.#target.animated) {
      if (now - this.#lastAt < REDRAW_MS) return;
      this.#lastAt = now;
      this.#target.stream.write(`${CLEAR_LINE}${this.#fit(this.#bar())}`);
      this.#drawn = true;
      return;
    }
    const share = this.#share() ?? 0;
    if (share - this.#lastShare < LINE_SHARE - 1e-9 && now - this.#lastAt < LINE_MS) return;
    this.#lastAt = now;
    this.#lastShare = Math.floor(share / LINE_SHARE + 1e-9) * LINE_SHARE;
    this.#target.stream.write(`${this.#line()}\n`);
  }

  /** Removes the bar; `text` replaces it as the final line. */
  finish(text?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#target.shown) return;
    if (this.#drawn) this.#target.stream.write(CLEAR_LINE);
    if (text !== undefined) this.#target.stream.write(`${printable(text)}\n`);
  }

  #share(): number | undefined {
    if (this.#total === undefined || this.#total <= 0) return undefined;
    return Math.min(1, this.#done / this.#total);
  }

  #line(): string {
    const share = this.#share();
    const percent = share === undefined ? '' : ` ${Math.floor(share * 100)}%`;
    const of = this.#total === undefined ? '' : ` of ${count(this.#total)}`;
    return `${printable(this.#options.label)}${percent} ${count(this.#done)}${of} ${this.#options.unit}${this.#pace()}`;
  }

  #bar(): string {
    const share = this.#share();
    if (share === undefined) return this.#line();
    const full = Math.round(share * BAR_CELLS);
    const bar = `${this.#target.paint('cyan', '━'.repeat(full))}${this.#target.paint('dim', '─'.repeat(BAR_CELLS - full))}`;
    const head = `${printable(this.#options.label)} ${bar}`;
    return `${head} ${Math.floor(share * 100)}% ${count(this.#done)} of ${count(this.#total ?? 0)} ${this.#options.unit}${this.#pace()}`;
  }

  #pace(): string {
    const elapsed = this.#now() - this.#startedAt;
    const done = this.#done - (this.#doneBefore ?? 0);
    if (elapsed < 500 || done <= 0) return '';
    const perSecond = (done / elapsed) * 1000;
    const rate = perSecond >= 10 ? count(perSecond) : perSecond.toFixed(1);
    const left = this.#total === undefined ? undefined : ((this.#total - this.#done) / perSecond) * 1000;
    const eta = left === undefined || left <= 0 ? '' : `, ${formatDuration(Math.max(1000, left))} left`;
    return `, ${rate} ${this.#options.unit}/s${eta}`;
  }

  /** A wrapped line cannot be redrawn, so a narrow terminal gets the words without the bar. */
  #fit(line: string): string {
    const width = widthOf(this.#target.stream);
    if (stripVTControlCharacters(line).length < width) return line;
    return this.#line().slice(0, Math.max(0, width - 1));
  }
}
