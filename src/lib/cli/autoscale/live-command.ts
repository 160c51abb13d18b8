import type { LoadedSettings } from '../../config/load.js';
import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import type { Tick } from '../../scale/autoscaler.js';
import { NdjsonWriter, writeText } from '../output/json.js';
import { Redraw } from '../output/redraw.js';
import { type Layout, plural } from '../output/text.js';
import { onShutdown } from '../signals.js';
import { autoscalerView, type Line, lineText, tickJson, tickLines } from '../views/autoscale-live.js';
import type { LiveFlags } from './live-plan.js';
import { runLive } from './live-run.js';

const LINES_KEPT = 8;

/** How the live loop shows itself. */
export interface LiveScreen {
  json: boolean;
  /** Every decision, and not only those that do something. */
  verbose: boolean;
  layout: Layout;
  note: (text: string) => void;
}

/** The watch loop of `infer autoscale`, from its flags to its last line. */
export async function watchLoop(
  loaded: LoadedSettings,
  flags: LiveFlags,
  screen: LiveScreen,
): Promise<AutoscalerRecord> {
  const stop = new AbortController();
  const hurry = new AbortController();
  const shutdown = onShutdown({ drain: () => stop.abort(), leave: () => hurry.abort() });
  const show = shower(flags, screen);
  const troubles = new Set<string>();
  try {
    return await runLive(
      loaded,
      flags,
      {
        onOpen: ({ record, plan, adopted }) => {
          const where = `${plural(plan.places, 'place')} on ${plan.onGpus ? 'GPUs' : 'the CPU'}`;
          screen.note(
            `autoscaler of ${record.pool}: ${where}, ${record.min}..${record.max} workers, policy ${record.policy}`,
          );
          if (adopted.length > 0) screen.note(`took over ${adopted.join(', ')}`);
        },
        onTick: show,
        onTrouble: (text) => {
          if (!troubles.has(text)) screen.note(text);
          troubles.add(text);
        },
        onDrain: (workers) =>
          screen.note(
            `draining ${workers} worker${workers === 1 ? '' : 's'}; again to hand their jobs back now`,
          ),
      },
      stop.signal,
      hurry.signal,
    );
  } finally {
    shutdown.dispose();
  }
}

function shower(
  flags: LiveFlags,
  { json, verbose, layout }: LiveScreen,
): (tick: Tick, record: AutoscalerRecord) => Promise<void> {
  let before: Tick | undefined;
  const kept: Line[] = [];
  const redraw = layout.tty && !flags.once ? new Redraw(process.stdout) : undefined;
  const ndjson = new NdjsonWriter(process.stdout);
  return async (tick, record) => {
    const lines = tickLines(tick, before, flags.dryRun);
    if (lines.length === 0 && verbose) lines.push({ at: tick.at, kind: 'note', text: tick.decision.reason });
    before = tick;
    kept.push(...lines);
    kept.splice(0, kept.length - LINES_KEPT);
    if (json) {
      // `--once` is one document, which the command prints itself.
      if (lines.length > 0 && !flags.once) await ndjson.write(tickJson(tick, record));
    } else if (redraw !== undefined) redraw.show(autoscalerView(record, kept, layout, tick.at));
    else if (lines.length > 0) {
      await writeText(process.stdout, `${lines.map((line) => lineText(line, layout.paint)).join('\n')}\n`);
    }
  };
}
