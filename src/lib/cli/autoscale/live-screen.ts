import { terminalText } from '../../core/printable.js';
import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import type { Tick } from '../../scale/autoscaler.js';
import { NdjsonWriter, writeText } from '../output/json.js';
import type { Layout } from '../output/text.js';
import { LiveTerminal } from '../terminal.js';
import {
  autoscalerFrame,
  autoscalerView,
  type Line,
  type LiveView,
  lineText,
  tickJson,
  tickLines,
} from '../views/autoscale-live.js';

const LINES_KEPT = 50;
/** Number of them left on the terminal at the end. */
const LINES_LEFT = 8;

/** How the live loop prints. */
export interface ShowOptions {
  json: boolean;
  /** Every decision, not only those that change something. */
  verbose: boolean;
  dryRun: boolean;
  once: boolean;
  layout: Layout;
  note: (text: string) => void;
  /** The user pressed `q`, or the terminal was closed. */
  onQuit: () => void;
}

/** Prints decisions: on a terminal as a table redrawn in place, otherwise one line each, as text or JSON. */
export interface Show {
  tick(tick: Tick, record: AutoscalerRecord): Promise<void>;
  /** Prints something that is not a decision. */
  note(text: string): void;
  /** Restores the terminal, leaving the last frame on it. Can be called repeatedly. */
  end(): void;
}

export function showDecisions(options: ShowOptions): Show {
  const { json, once, dryRun, verbose, layout } = options;
  const shown = layout.tty && !once && !json ? onTerminal(options) : inPipe(options);
  let before: Tick | undefined;
  return {
    ...shown,
    tick: async (tick, record) => {
      const lines = tickLines(tick, before, dryRun);
      if (lines.length === 0 && verbose)
        lines.push({ at: tick.at, kind: 'note', text: tick.decision.reason });
      before = tick;
      await shown.show(tick, record, lines);
    },
  };
}

interface Shown extends Omit<Show, 'tick'> {
  show(tick: Tick, record: AutoscalerRecord, lines: readonly Line[]): Promise<void>;
}

function inPipe({ json, once, layout, note }: ShowOptions): Shown {
  const ndjson = new NdjsonWriter(process.stdout);
  return {
    show: async (tick, record, lines) => {
      if (lines.length === 0) return;
      // `--once --json` is one document, which the command prints itself.
      if (json && !once) await ndjson.write(tickJson(tick, record));
      else if (!json)
        await writeText(
          process.stdout,
          terminalText(`${lines.map((line) => lineText(line, layout.paint)).join('\n')}\n`),
        );
    },
    note,
    end: () => undefined,
  };
}

function onTerminal({ layout, note, onQuit }: ShowOptions): Shown {
  const { paint } = layout;
  const kept: Line[] = [];
  let view: LiveView | undefined;
  let live = false;
  const draw = () => {
    if (view !== undefined) terminal.show(autoscalerFrame(view, terminal, paint));
  };
  const terminal = new LiveTerminal(
    { keys: process.stdin, screen: process.stdout },
    {
      onKey: (key) => {
        if (key === 'q') onQuit();
      },
      onRedraw: draw,
      onGone: onQuit,
    },
  );
  const keep = (lines: readonly Line[]) => {
    kept.push(...lines);
    kept.splice(0, kept.length - LINES_KEPT);
  };
  return {
    show: async (tick, record, lines) => {
      keep(lines);
      view = { tick, record, lines: kept };
      terminal.enter();
      live = true;
      draw();
    },
    // A line printed over the frame would be overwritten.
    note: (text) => (live ? keep([{ at: Date.now(), kind: 'note', text }]) : note(text)),
    end: () => {
      if (!live) return;
      live = false;
      terminal.leave();
      if (view === undefined) return;
      const last = { ...view, lines: kept.slice(-LINES_LEFT) };
      const lines = autoscalerView(last, { ...layout, width: terminal.columns });
      process.stdout.write(terminalText(`${lines.join('\n')}\n`));
    },
  };
}
