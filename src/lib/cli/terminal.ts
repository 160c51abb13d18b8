import { terminalText } from '../core/printable.js';
import { visibleWidth } from './output/width.js';

/** The part of `process.stdin` that is needed. */
interface KeyStream {
  readonly isTTY?: boolean | undefined;
  setRawMode?(on: boolean): unknown;
  setEncoding(encoding: 'utf8'): unknown;
  resume(): unknown;
  pause(): unknown;
  on(event: 'data' | 'end' | 'error', listener: (text: string) => void): unknown;
  off(event: 'data' | 'end' | 'error', listener: (text: string) => void): unknown;
}

/** The part of `process.stdout` that is needed. */
interface ScreenStream {
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface TerminalStreams {
  keys: KeyStream;
  screen: ScreenStream;
}

export interface TerminalEvents {
  /** A key by its character; Ctrl-C and Ctrl-Z are dealt with here. */
  onKey(key: string): void;
  /** The size changed, or it is shown again after it was suspended. */
  onRedraw(): void;
  /** No one is at the other end any more. */
  onGone(): void;
}

const ESC = '\u001b';
/** The alternate screen, without a cursor and without wrapping: what was on the screen comes back after. */
const ENTER = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l`;
const LEAVE = `${ESC}[?7h${ESC}[?25h${ESC}[?1049l`;
/** Terminals that know this show a picture when it is whole; others ignore it. */
const BEGIN = `${ESC}[?2026h`;
const END = `${ESC}[?2026l`;
const HOME = `${ESC}[H`;
const TO_LINE_END = `${ESC}[K`;
const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';
const DEFAULT_ROWS = 24;
const DEFAULT_COLUMNS = 80;

/**
 * A screen that is redrawn in place, each picture in one write over the one before: nothing is
 * cleared first, so nothing flickers. Whatever ends the process, the terminal is left as it was.
 */
export class LiveTerminal {
  private shown = false;
  private guarded = false;
  private readonly onData = (text: string) => this.onText(text);
  private readonly onEnd = () => this.events.onGone();
  private readonly onResize = () => this.events.onRedraw();
  private readonly onExit = () => this.leave();
  private readonly onContinue = () => {
    this.enter();
    this.events.onRedraw();
  };

  constructor(
    private readonly streams: TerminalStreams,
    private readonly events: TerminalEvents,
  ) {}

  get columns(): number {
    return this.streams.screen.columns || DEFAULT_COLUMNS;
  }

  get rows(): number {
    return this.streams.screen.rows || DEFAULT_ROWS;
  }

  /** Whether keys can be read. */
  get keys(): boolean {
    return this.streams.keys.isTTY === true;
  }

  enter(): void {
    if (this.shown) return;
    this.shown = true;
    const { keys, screen } = this.streams;
    process.once('exit', this.onExit);
    screen.write(ENTER);
    screen.on('resize', this.onResize);
    if (!this.keys) return;
    // Stays: a terminal that is gone fails again when it is given back. Without a listener that would throw.
    if (!this.guarded) keys.on('error', this.onEnd);
    this.guarded = true;
    keys.setRawMode?.(true);
    keys.setEncoding('utf8');
    keys.on('data', this.onData);
    keys.on('end', this.onEnd);
    keys.resume();
  }

  leave(): void {
    if (!this.shown) return;
    this.shown = false;
    const { keys, screen } = this.streams;
    process.off('exit', this.onExit);
    screen.off('resize', this.onResize);
    if (this.keys) {
      keys.off('data', this.onData);
      keys.off('end', this.onEnd);
      keys.setRawMode?.(false);
      keys.pause();
    }
    screen.write(LEAVE);
  }

  /** Draws as many lines as the terminal has over what is there. */
  show(lines: readonly string[]): void {
    if (!this.shown) return;
    const { columns } = this;
    // At the last column, erasing to the end of the line would take the character just written.
    const drawn = lines
      .map(terminalText)
      .map((line) => (visibleWidth(line) < columns ? line + TO_LINE_END : line));
    this.streams.screen.write(`${BEGIN}${HOME}${drawn.join('\r\n')}${END}`);
  }

  /** In raw mode these come as characters; they mean what they always mean. */
  private onText(text: string): void {
    for (const key of text) {
      if (key === CTRL_C) process.kill(process.pid, 'SIGINT');
      else if (key === CTRL_Z) this.suspend();
      else if (key === ESC) return;
      else this.events.onKey(key);
    }
  }

  private suspend(): void {
    this.leave();
    process.once('SIGCONT', this.onContinue);
    process.kill(process.pid, 'SIGTSTP');
  }
}
