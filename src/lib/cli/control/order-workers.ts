import { plural } from '../../core/counts.js';
import { InferError } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { formatDuration } from '../../core/units.js';
import { findWorkers } from '../../deployment/find-workers.js';
import { askWorkers, type ControlAnswer, type Order } from '../../queue/broker/control.js';
import { listWorkers } from '../../queue/registry.js';
import type { WorkerRecord } from '../../queue/types.js';
import { closeClient, connectLike } from '../../redis/connect.js';
import { type ProgressTarget, startSpinner } from '../output/progress.js';
import type { Layout } from '../output/text.js';
import { answersView, type WorkerAnswer } from '../views/control-view.js';
import { awaitWorkers } from './await-workers.js';
import type { Deed, Done, Hands, Shown } from './control-command.js';

export interface OrderOptions {
  /** Names, ids, hosts or patterns, as typed: `gpu-1`, `gpu-*,cpu-3`. */
  workers: string;
  /** Longest silence in ms. */
  timeoutMs: number;
  layout: Layout;
  /** Who asks, for the workers' logs. */
  who: string;
  /** Shows that it goes on, and what workers are at. */
  progress: ProgressTarget;
  /** Set for an order that needs consent: what it does to these workers. */
  danger?: ((workers: readonly WorkerRecord[]) => string) | undefined;
  detail?: string | undefined;
  /** Wait so many ms until they are gone, or back. */
  wait?: { until: 'gone' | 'back'; ms: number | undefined } | undefined;
}

/** An order to workers as a deed: a dry run asks them what they would do. */
export function orderDeed(order: Order, options: OrderOptions): Deed {
  return {
    action: order.verb,
    target: options.workers,
    detail: options.detail ?? '',
    plan: async (hands) => {
      const live = await listWorkers(hands.client, hands.prefix);
      const addresses = options.workers.split(',').filter((one) => one !== '');
      const workers = findWorkers(live, addresses);
      return {
        danger: options.danger?.(workers),
        preview: () => ask(order, true, workers, hands, options),
        act: () => ask(order, false, workers, hands, options),
      };
    },
  };
}

/** Sends the order and gathers what became of it; the spinner is gone before anything is printed. */
async function ask(
  order: Order,
  dryRun: boolean,
  workers: readonly WorkerRecord[],
  hands: Hands,
  options: OrderOptions,
): Promise<Done> {
  const { wait, layout, progress } = options;
  const spinner = await startSpinner(`asking ${plural(workers.length, 'worker')}`, progress);
  try {
    const onWorking = (worker: string, text: string) => spinner.update(`${worker}: ${text}`);
    const rows = await answersOf(order, dryRun, workers, hands, options, onWorking);
    if (dryRun || wait?.ms === undefined) return summary(order, rows, layout);
    const end = wait.until === 'gone' ? 'end' : 'are ready again';
    spinner.update(`waiting until ${plural(workers.length, 'worker')} ${end}`);
    return summary(order, await awaitWorkers(rows, workers, wait.until, wait.ms, hands), layout);
  } finally {
    spinner.stop();
  }
}

async function answersOf(
  order: Order,
  dryRun: boolean,
  workers: readonly WorkerRecord[],
  { client, prefix, signal }: Hands,
  { timeoutMs, who }: OrderOptions,
  onWorking: (worker: string, text: string) => void,
): Promise<WorkerAnswer[]> {
  const nameOf = new Map(workers.map(({ id, name }) => [id, name]));
  const blocking = await connectLike(client, 'blocking');
  let answers: Map<string, ControlAnswer>;
  try {
    const ids = workers.map(({ id }) => id);
    answers = await askWorkers(
      client,
      blocking,
      prefix,
      ids,
      { order, dryRun, who },
      {
        timeoutMs,
        signal,
        onAnswer: ({ worker, working, text }) => {
          if (working === true) onWorking(nameOf.get(worker) ?? worker, text);
        },
      },
    );
  } finally {
    await closeClient(blocking);
  }
  return workers.map(({ id, name, host }): WorkerAnswer => {
    const answer = answers.get(id);
    if (answer === undefined) {
      return { id, name, host, state: 'silent', text: `no answer within ${formatDuration(timeoutMs)}` };
    }
    const { ok, text, code, hint } = answer;
    return { id, name, host, state: ok ? 'ok' : 'refused', text, code, hint };
  });
}

/** What the answers come to. @throws InferError NO_ANSWER (69) when no worker answered. */
function summary(order: Order, rows: readonly WorkerAnswer[], layout: Layout): Done {
  const count = (state: WorkerAnswer['state']) => rows.filter((row) => row.state === state).length;
  const [ok, refused, silent] = [count('ok'), count('refused'), count('silent')];
  if (silent === rows.length) {
    const names = rows.map(({ name }) => name).join(', ');
    throw new InferError('NO_ANSWER', `${plural(silent, 'worker')} addressed, and none answered: ${names}`, {
      hint: 'a worker that hangs is forgotten after 15 s and its jobs run elsewhere; -t 30s waits longer',
      exitCode: ExitCode.Unavailable,
    });
  }
  const busy = count('busy');
  const exitCode =
    ok === rows.length
      ? undefined
      : refused === rows.length
        ? ExitCode.Negative
        : busy > 0 && ok + busy === rows.length
          ? ExitCode.TryAgain
          : ExitCode.Partial;
  const shown: Shown = {
    lines: answersView(rows, layout),
    json: { order, workers: rows },
    exitCode,
  };
  const result = rows.map(({ name, text }) => `${name}: ${text}`).join('; ');
  return { ...shown, result, ok: ok + busy === rows.length };
}
