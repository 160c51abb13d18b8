import { terminalText } from '../core/printable.js';
import { visibleWidth } from './output/width.js';

/** The used part of `process.stdin`. */
interface KeyStream {
  readonly isTTY?: boolean | undefined;
  setRawMode?(on: boolean): unknown;
  setEncoding(encoding: 'utf8'): unknown;
  resume(): unknown;
  pause(): unknown;
  on(event: 'data' | 'end' | 'error', listener: (text: string) => void): unknown;
  off(event: 'data' | 'end' | 'error', listener: (text: string) => void): unknown;
}

/** The used part of `process.stdout`. */
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
  /** A key as its character; Ctrl-C and Ctrl-Z are handled here. */
  onKey(key: string): void;
  /** The size changed, or the process was resumed after being suspended. */
  onRedraw(): void;
  /** The terminal was closed. */
  onGone(): void;
}

const ESC = '\u001b';
/** The alternate screen, without cursor and wrapping: the previous content reappears afterwards. */
const ENTER = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l`;
const LEAVE = `${ESC}[?7h${ESC}[?25h${ESC}[?1049l`;
/** Terminals that support this show a frame only when it is complete; others ignore it. */
const BEGIN = `${ESC}[?2026h`;
const END = `${ESC}[?2026l`;
const HOME = `${ESC}[H`;
const TO_LINE_END = `${ESC}[K`;
const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';
const DEFAULT_ROWS = 24;
const DEFAULT_COLUMNS = 80;

/**
 * A screen redrawn in place, each frame in one write over the previous one: nothing is cleared first, so
 * nothing flickers. However the process ends, the terminal is restored.
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
    // Stays registered: a closed terminal fails again when it is restored, which would throw without a
    // listener.
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

  /** Draws as many lines as the terminal has, over the existing content. */
  show(lines: readonly string[]): void {
    if (!this.shown) return;
    const { columns } = this;
    // At the last column, erasing to the end of the line would delete the character just written.
    const drawn = lines
      .map(terminalText)
      .map((line) => (visibleWidth(line) < columns ? line + TO_LINE_END : line));
    this.streams.screen.write(`${BEGIN}${HOME}${drawn.join('\r\n')}${END}`);
  }

  /** In raw mode these arrive as characters; they keep their usual meaning. */
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
