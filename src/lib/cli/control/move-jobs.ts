import { findJobs } from '../../client/find-jobs.js';
import { plural } from '../../core/counts.js';
import { ExitCode } from '../../core/exit-codes.js';
import { checkQueueName } from '../../core/job.js';
import { type MoveOutcome, Mover } from '../../queue/broker/move.js';
import { readJob } from '../../queue/read/reader.js';
import { listWorkers } from '../../queue/registry.js';
import type { ProgressTarget } from '../output/progress.js';
import type { Layout } from '../output/text.js';
import { outcomesView } from '../views/control-view.js';
import type { Deed, Done, Hands } from './control-command.js';
import { workBar } from './work-bar.js';

interface Row {
  id: string;
  /** Where it is now. */
  queue: string;
  outcome: MoveOutcome;
}

const WRONG: Partial<Record<MoveOutcome, string>> = {
  'same queue': 'is there already',
  'not waiting': 'waits no longer: it stays where it is',
  unknown: 'is gone',
  'id taken': 'the queue has a job of this id: it stays where it is',
  'being moved': 'is being moved there already',
  'group open': 'its group is still being written: it stays where it is',
  'chunk in a Cluster': 'is part of a group, which cannot be spread over a Cluster: it stays where it is',
};

export interface MoveOptions {
  to: string;
  layout: Layout;
  progress: ProgressTarget;
  /** Says what is not wrong but may surprise. */
  warn(text: string): void;
}

/** Moving jobs that wait to another queue, as a deed. */
export function moveDeed(ids: readonly string[], options: MoveOptions): Deed {
  const to = checkQueueName(options.to);
  return {
    action: 'move',
    target: ids.join(' '),
    detail: `to ${to}`,
    plan: async (hands) => {
      const { jobs } = await findJobs(hands.client, hands.prefix, ids);
      const workers = await listWorkers(hands.client, hands.prefix);
      if (!workers.some((worker) => worker.queues.includes(to)))
        options.warn(`no worker serves ${to}: jobs there wait until one does`);
      return {
        danger: jobs.length > 1 ? `moves ${plural(jobs.length, 'job')} to ${to}` : undefined,
        preview: async () => shown(await foreseen(hands, jobs, to), to, options.layout, 'would go to'),
        act: async () =>
          shown(await moveAll(hands, jobs, to, options.progress), to, options.layout, 'moved to'),
      };
    },
  };
}

async function moveAll(
  { client, prefix, signal }: Hands,
  jobs: readonly { id: string; queue: string }[],
  to: string,
  target: ProgressTarget,
): Promise<Row[]> {
  const mover = new Mover(client, prefix, to);
  const bar = workBar(target, 'moving', jobs.length);
  const rows: Row[] = [];
  try {
    for (const { id, queue } of jobs) {
      // Between two jobs, never within one.
      if (signal.aborted) break;
      const outcome = await mover.move(id, queue);
      rows.push({ id, queue: outcome === 'moved' ? to : queue, outcome });
      bar.add(1);
    }
  } finally {
    bar.finish();
  }
  return rows;
}

async function foreseen(
  { client, prefix }: Hands,
  jobs: readonly { id: string; queue: string }[],
  to: string,
): Promise<Row[]> {
  return Promise.all(
    jobs.map(async ({ id, queue }): Promise<Row> => {
      if (queue === to) return { id, queue, outcome: 'same queue' };
      const [record, other] = await Promise.all([
        readJob(client, prefix, queue, id),
        readJob(client, prefix, to, id),
      ]);
      if (record === undefined) return { id, queue, outcome: 'unknown' };
      if (record.state !== 'waiting' && record.state !== 'delayed')
        return { id, queue, outcome: 'not waiting' };
      if (other !== undefined) return { id, queue, outcome: 'id taken' };
      const stuck = record.group !== undefined && client.isCluster;
      return { id, queue, outcome: stuck ? 'chunk in a Cluster' : 'moved' };
    }),
  );
}

function shown(rows: readonly Row[], to: string, layout: Layout, moved: string): Done {
  const good = rows.filter(({ outcome }) => outcome === 'moved' || outcome === 'same queue').length;
  const exitCode = good === rows.length ? undefined : good === 0 ? ExitCode.Negative : ExitCode.Partial;
  const outcomes = rows.map(({ id, queue, outcome }) => {
    const wrong = WRONG[outcome];
    return {
      id,
      queue,
      ok: outcome === 'moved' || outcome === 'same queue',
      text: wrong ?? `${moved} ${to}`,
    };
  });
  return {
    lines: outcomesView(outcomes, layout),
    json: { to, jobs: rows },
    exitCode,
    ok: good > 0,
    result: `in ${to}: ${good} of ${plural(rows.length, 'job')}`,
  };
}
