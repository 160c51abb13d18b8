import { findJobs } from '../../client/find-jobs.js';
import { plural } from '../../core/counts.js';
import { ExitCode } from '../../core/exit-codes.js';
import type { Priority } from '../../core/job.js';
import { type PriorityOutcome, setGroupPriority, setPriority } from '../../queue/broker/set-priority.js';
import { readJob } from '../../queue/read/reader.js';
import type { Layout } from '../output/text.js';
import { outcomesView } from '../views/control-view.js';
import type { Deed, Done, Hands } from './control-command.js';

interface Row {
  id: string;
  queue: string;
  outcome: PriorityOutcome;
}

/** Giving jobs that wait another priority, as a deed. */
export function priorityDeed(ids: readonly string[], priority: Priority, layout: Layout): Deed {
  return {
    action: 'priority',
    target: ids.join(' '),
    detail: `priority ${priority}`,
    plan: async (hands) => {
      const { client, prefix } = hands;
      const { jobs, groups } = await findJobs(client, prefix, ids);
      return {
        preview: async () => shown(await foreseen(hands, jobs, priority), priority, layout, 'would have'),
        act: async () => {
          const queues = [...new Set(jobs.map(({ queue }) => queue))];
          const rows: Row[] = [];
          for (const queue of queues) {
            const here = jobs.filter((job) => job.queue === queue).map(({ id }) => id);
            const outcomes = await setPriority(client, prefix, queue, here, priority);
            rows.push(...here.map((id, at) => ({ id, queue, outcome: outcomes[at] as PriorityOutcome })));
          }
          await Promise.all(groups.map((group) => setGroupPriority(client, prefix, group, priority)));
          return shown(rows, priority, layout, 'has');
        },
      };
    },
  };
}

async function foreseen(
  { client, prefix }: Hands,
  jobs: readonly { id: string; queue: string }[],
  priority: Priority,
): Promise<Row[]> {
  return Promise.all(
    jobs.map(async ({ id, queue }): Promise<Row> => {
      const record = await readJob(client, prefix, queue, id);
      if (record === undefined) return { id, queue, outcome: 'unknown' };
      const waits = record.state === 'waiting' || record.state === 'delayed';
      const outcome = !waits ? 'not waiting' : record.priority === priority ? 'same' : 'changed';
      return { id, queue, outcome };
    }),
  );
}

function shown(rows: readonly Row[], priority: Priority, layout: Layout, has: string): Done {
  const good = rows.filter(({ outcome }) => outcome === 'changed' || outcome === 'same').length;
  const words: Record<PriorityOutcome, string> = {
    changed: `${has} priority ${priority}`,
    same: `has priority ${priority} already`,
    'not waiting': 'waits no longer: nothing to change',
    unknown: 'is gone',
  };
  const exitCode = good === rows.length ? undefined : good === 0 ? ExitCode.Negative : ExitCode.Partial;
  return {
    lines: outcomesView(
      rows.map(({ id, queue, outcome }) => ({
        id,
        queue,
        ok: outcome !== 'not waiting' && outcome !== 'unknown',
        text: words[outcome],
      })),
      layout,
    ),
    json: { priority, jobs: rows },
    exitCode,
    ok: good > 0,
    result: `priority ${priority}: ${good} of ${plural(rows.length, 'job')}`,
  };
}
