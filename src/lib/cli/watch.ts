import { setTimeout as delay } from 'node:timers/promises';
import { settledWithin } from '../core/bounded.js';
import { messageOf } from '../core/errors.js';
import type { Layout, Paint } from './output/text.js';
import { LiveTerminal, type TerminalStreams } from './terminal.js';
import { type ChartRow, drawFrame } from './views/watch-view.js';

/** One figure of one queue or worker at one time, for its chart. */
export interface Point {
  name: string;
  label: string;
  value: number | null;
  shown: string;
}

/** Something that can be watched. */
export interface Watched<S> {
  /** `infer inspect`, shown on top. */
  readonly title: string;
  /** Sort orders, starting with the first; `s` switches to the next. */
  readonly sorts: readonly string[];
  /** Reads once. A failure is shown and retried, except on the first read. */
  read(): Promise<S>;
  body(sample: S, sort: string, layout: Layout): string[];
  points(sample: S): Point[];
}

/** Values kept for the charts: as many as the widest has cells. */
const HISTORY = 60;

/**
 * Redraws until `q` is pressed or `signal` fires. The first read fails like any command; a later failure
 * (Redis unreachable) is shown on the screen and retried until it succeeds.
 */
export async function watchLive<S>(
  watched: Watched<S>,
  everyMs: number,
  streams: TerminalStreams,
  paint: Paint,
  signal: AbortSignal,
): Promise<void> {
  const first = await watched.read();
  const screen = new WatchScreen(watched, everyMs, paint, first);
  const quit = new AbortController();
  const end = () => quit.abort();
  signal.addEventListener('abort', end, { once: true });
  const terminal = new LiveTerminal(streams, {
    onKey: (key) => {
      if (key === 'q') end();
      else if (screen.press(key)) draw();
    },
    onRedraw: () => draw(),
    onGone: end,
  });
  const draw = () => terminal.show(screen.lines(terminal));
  try {
    terminal.enter();
    while (!quit.signal.aborted) {
      draw();
      await delay(everyMs, undefined, { signal: quit.signal }).catch(() => undefined);
      // A read still in progress when the user quits is not waited for.
      if (!quit.signal.aborted && !screen.paused)
        await settledWithin(Number.POSITIVE_INFINITY, screen.look(), quit.signal);
    }
  } finally {
    terminal.leave();
    signal.removeEventListener('abort', end);
  }
}

/** The state of the screen: the newest sample, the histories so far, and the chosen view. */
class WatchScreen<S> {
  paused = false;
  private sortAt = 0;
  private readAt: number;
  private trouble: { message: string; since: number } | undefined;
  private courses = new Map<string, Map<string, { values: (number | null)[]; shown: string }>>();

  constructor(
    private readonly watched: Watched<S>,
    private readonly everyMs: number,
    private readonly paint: Paint,
    private sample: S,
  ) {
    this.readAt = Date.now();
    this.keep(sample);
  }

  /** True when the key changed something. */
  press(key: string): boolean {
    if (key === 'p' || key === ' ') this.paused = !this.paused;
    else if (key === 's') this.sortAt = (this.sortAt + 1) % this.watched.sorts.length;
    else return false;
    return true;
  }

  async look(): Promise<void> {
    try {
      this.sample = await this.watched.read();
      this.readAt = Date.now();
      this.trouble = undefined;
      this.keep(this.sample);
    } catch (error) {
      this.trouble = { message: messageOf(error), since: this.trouble?.since ?? Date.now() };
    }
  }

  lines(size: { columns: number; rows: number; keys: boolean }): string[] {
    const sort = this.watched.sorts[this.sortAt] as string;
    const layout: Layout = { tty: true, width: size.columns, paint: this.paint };
    const { trouble } = this;
    return drawFrame(
      {
        title: this.watched.title,
        everyMs: this.everyMs,
        clock: new Date(this.readAt).toTimeString().slice(0, 8),
        paused: this.paused,
        sort,
        trouble:
          trouble === undefined
            ? undefined
            : { message: trouble.message, sinceMs: Date.now() - trouble.since },
        body: this.watched.body(this.sample, sort, layout),
        charts: this.charts(),
        keys: size.keys,
      },
      size,
      this.paint,
    );
  }

  private charts(): ChartRow[] {
    return [...this.courses].map(([name, courses]) => ({
      name,
      courses: [...courses].map(([label, course]) => ({ label, ...course })),
    }));
  }

  private keep(sample: S): void {
    const before = this.courses;
    // Rebuilt each time: in the sample's order, and without entries that no longer exist.
    this.courses = new Map();
    for (const { name, label, value, shown } of this.watched.points(sample)) {
      const known = before.get(name)?.get(label)?.values ?? [];
      const courses = this.courses.get(name) ?? new Map();
      courses.set(label, { values: [...known, value].slice(-HISTORY), shown });
      this.courses.set(name, courses);
    }
  }
}
