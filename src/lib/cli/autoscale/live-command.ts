import type { LoadedSettings } from '../../config/load.js';
import { plural } from '../../core/counts.js';
import type { AutoscalerRecord } from '../../queue/autoscalers.js';
import type { LiveFlags } from '../../scale/live-plan.js';
import { runLive } from '../../scale/live-run.js';
import type { Layout } from '../output/text.js';
import { onShutdown } from '../signals.js';
import { runOnWithoutOutput } from '../standard-streams.js';
import { showDecisions } from './live-screen.js';

/** How the live loop prints. */
export interface LiveScreen {
  json: boolean;
  /** Every decision, not only those that change something. */
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
  const { note } = screen;
  const stop = new AbortController();
  const hurry = new AbortController();
  const { dryRun, once } = flags;
  const show = showDecisions({ ...screen, dryRun, once, onQuit: () => stop.abort() });
  const shutdown = onShutdown({ drain: () => stop.abort(), leave: () => hurry.abort() });
  const troubles = new Set<string>();
  runOnWithoutOutput((problem) => note(`${problem}; the autoscaler continues`));
  try {
    const record = await runLive(
      loaded,
      flags,
      {
        onOpen: ({ record: { pool, min, max, policy }, plan, adopted }) => {
          const slots = plural(plan.slots, 'slot');
          const where = plan.onGpus ? `${slots} on GPUs` : `${slots} on the CPU`;
          note(`autoscaler of ${pool}: ${where}, ${min}..${max} workers, policy ${policy}`);
          for (const hint of plan.notes) note(hint);
          if (adopted.same.length > 0) note(`took over ${adopted.same.join(', ')}`);
          if (adopted.other.length > 0)
            note(`took over ${adopted.other.join(', ')}, which run with other flags until they are replaced`);
        },
        onTick: (tick, last) => show.tick(tick, last),
        onTrouble: (text) => {
          if (!troubles.has(text)) show.note(text);
          troubles.add(text);
        },
        onDrain: (workers) => {
          show.end();
          note(`draining ${plural(workers, 'worker')}; again to requeue their jobs now`);
        },
      },
      stop.signal,
      hurry.signal,
    );
    show.end();
    const left = record.workers.length;
    if (!dryRun && !once && flags.onExit === 'keep' && left > 0)
      note(
        `${plural(left, 'worker keeps', 'workers keep')} running; to stop them: infer workers stop autoscaled`,
      );
    return record;
  } finally {
    show.end();
    shutdown.dispose();
  }
}
