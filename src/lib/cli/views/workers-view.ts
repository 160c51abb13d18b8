import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { StartOutcome } from '../../scale/start-workers.js';
import type { StopOutcome, WorkerStatus } from '../../scale/stop-workers.js';
import type { WorkerFile } from '../../scale/worker-files.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import type { Layout, Paint } from '../output/text.js';

const COLUMNS: Column[] = [
  { title: 'NAME' },
  { title: 'STATE' },
  { title: 'PID', align: 'right' },
  { title: 'GPU' },
  { title: 'QUEUES' },
  { title: 'STARTED', align: 'right' },
  { title: 'BY' },
  { title: 'WHY' },
];

/** Detached workers of this host: `infer workers list`. */
export function workersView(workers: readonly WorkerStatus[], layout: Layout, now: number): string[] {
  if (workers.length === 0 && layout.tty) {
    return [layout.paint('dim', 'no detached worker on this host: infer workers start makes some')];
  }
  const rows = workers.map((worker): Cell[] => [
    worker.worker,
    stateCell(worker),
    worker.pid === null ? '-' : String(worker.pid),
    worker.gpu === null ? '-' : worker.device === 'cpu' ? `${worker.gpu} (not used)` : worker.gpu,
    worker.queues.join(','),
    `${formatDuration(Math.max(0, now - worker.startedAt))} ago`,
    ownerText(worker),
    worker.reason === null ? '-' : [worker.reason, ...worker.lines.slice(-1)].join(': '),
  ]);
  return renderTable(COLUMNS, rows, layout);
}

function stateCell({ state }: WorkerStatus): Cell {
  return { text: state, format: state === 'running' ? 'green' : state === 'dead' ? 'red' : 'yellow' };
}

/** Its owner: `infer up`, a running autoscaler, or one that has exited and left it behind. */
function ownerText({ pool, adopted, autoscaler, up }: WorkerStatus): string {
  if (up !== null) return 'infer up';
  if (pool === null) return 'hand';
  if (autoscaler === null) return `autoscaler ${pool} (gone)`;
  return adopted ? `autoscaler ${pool} (adopted)` : `autoscaler ${pool}`;
}

/** One line as soon as a worker is ready or has failed. */
export function startedLine(outcome: StartOutcome, paint: Paint): string[] {
  const name = paint('bold', printable(outcome.name));
  const where = `${outcome.gpu === null ? '' : ` on ${printable(outcome.gpu)}`}, queues ${outcome.queues.map(printable).join(',')}`;
  if (outcome.fallback !== undefined) {
    return [
      `${paint('yellow', '!')} ${name} ready (pid ${outcome.pid}), not on GPU ${printable(outcome.gpu ?? '')} but on ${printable(outcome.device ?? 'the CPU')}, queues ${outcome.queues.map(printable).join(',')}`,
      `    ${printable(outcome.fallback)}; add -- --require-gpu to refuse that`,
    ];
  }
  if (outcome.outcome === 'started')
    return [`${paint('green', '✓')} ${name} ready (pid ${outcome.pid})${where}`];
  if (outcome.outcome === 'running')
    return [`${paint('green', '✓')} ${name} runs already (pid ${outcome.pid})${where}`];
  return [
    `${paint('red', '✗')} ${name} did not start: ${printable(outcome.reason ?? '')}`,
    ...(outcome.lines ?? []).map((line) => `    ${printable(line)}`),
    `    ${paint('dim', `log: ${printable(outcome.log)}`)}`,
  ];
}

export function stoppedLine({ name, pid, outcome }: StopOutcome, paint: Paint): string {
  const sign = outcome === 'killed' ? paint('yellow', '!') : paint('green', '✓');
  const what = outcome === 'killed' ? 'did not stop in time and was killed' : outcome;
  return `${sign} ${paint('bold', printable(name))} ${what}${pid === null ? '' : ` (pid ${pid})`}`;
}

/** Why there is nothing to stop. */
export function nothingToStop(names: readonly string[], all: readonly WorkerFile[]): string {
  if (names.length > 0) return `${names.map(printable).join(', ')} does not run on this host`;
  const pooled = all.filter((file) => file.pool !== undefined).length;
  if (pooled === 0 && all.some((file) => file.supervisor !== undefined)) {
    return 'only workers of infer up: infer down ends them';
  }
  if (pooled === 0) return 'no background worker runs on this host';
  return `only ${plural(pooled, 'worker')} of autoscalers: infer workers stop autoscaled (or --all) ends them, and an autoscaler that runs starts others`;
}
