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
/** Of those, left on the terminal at the end. */
const LINES_LEFT = 8;

/** How the live loop shows itself. */
export interface ShowOptions {
  json: boolean;
  /** Every decision, and not only those that do something. */
  verbose: boolean;
  dryRun: boolean;
  once: boolean;
  layout: Layout;
  note: (text: string) => void;
  /** Someone pressed `q`, or the terminal is gone. */
  onQuit: () => void;
}

/** Shows decisions: as a table in place on a terminal, else as a line each, in words or JSON. */
export interface Show {
  tick(tick: Tick, record: AutoscalerRecord): Promise<void>;
  /** Something that is no decision. */
  note(text: string): void;
  /** Gives the terminal back, with the last picture on it. Again: nothing. */
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
    // A line in the middle of the picture would be drawn over.
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
