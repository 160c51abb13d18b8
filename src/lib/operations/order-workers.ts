import { plural } from '../core/counts.js';
import { InferError } from '../core/errors.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatDuration } from '../core/units.js';
import { findWorkers } from '../deployment/find-workers.js';
import { askWorkers, type ControlAnswer, type Order } from '../queue/broker/control.js';
import { listWorkers } from '../queue/registry.js';
import type { WorkerRecord } from '../queue/types.js';
import { closeClient, connectLike } from '../redis/connect.js';
import { orderedText } from './audit-text.js';
import { awaitWorkers } from './await-workers.js';
import type { Operation, OperationContext, Report } from './operation.js';
import { type OrderedWorkers, singleCode, type WorkerOutcome } from './outcomes.js';

export interface OrderOptions {
  /** Longest silence in ms. */
  timeoutMs: number;
  /** Whether a user must agree, because it interrupts work. */
  needsConsent?: boolean | undefined;
  /** Its arguments, for the audit log. */
  detail?: string | undefined;
  /** Wait this many ms until they have exited, or are back. */
  wait?: { until: 'gone' | 'back'; ms: number | undefined } | undefined;
}

/**
 * An order to workers; a dry run asks them what they would do.
 * @param addresses names, ids, hosts or patterns, as typed: `gpu-1`, `gpu-*,cpu-3`
 */
export function orderWorkers(
  order: Order,
  addresses: string,
  options: OrderOptions,
): Operation<readonly WorkerRecord[], OrderedWorkers, OrderedWorkers> {
  return {
    action: order.verb,
    target: addresses,
    detail: options.detail,
    needsConsent: () => options.needsConsent === true,
    plan: async ({ client, prefix }) => {
      const live = await listWorkers(client, prefix);
      return findWorkers(
        live,
        addresses.split(',').filter((one) => one !== ''),
      );
    },
    preview: async (workers, context, report) => ({
      order,
      workers: await ask(order, true, workers, options.timeoutMs, context, report),
    }),
    act: async (workers, context, report) => {
      const answers = await ask(order, false, workers, options.timeoutMs, context, report);
      const { wait } = options;
      if (wait?.ms === undefined) return { order, workers: answers };
      const told = answers.filter(({ state }) => state === 'ok').length;
      report({ kind: 'awaiting', workers: told, until: wait.until });
      return { order, workers: await awaitWorkers(answers, workers, wait.until, wait.ms, context) };
    },
    summary: (ordered) => {
      const told = ordered.workers.filter(({ state }) => state === 'ok' || state === 'busy').length;
      return {
        count: told,
        outcome: told === ordered.workers.length ? 'ok' : told === 0 ? 'failed' : 'partial',
        result: orderedText(ordered),
        code: told === 0 ? singleCode(ordered.workers.map(({ code }) => code)) : undefined,
      };
    },
  };
}

/** Sends the order and collects the answers. @throws InferError NO_ANSWER (69) when no worker answered. */
async function ask(
  order: Order,
  dryRun: boolean,
  workers: readonly WorkerRecord[],
  timeoutMs: number,
  { client, prefix, signal, actor }: OperationContext,
  report: Report,
): Promise<WorkerOutcome[]> {
  report({ kind: 'asking', workers: workers.length });
  const nameOf = new Map(workers.map(({ id, name }) => [id, name]));
  const onAnswer = ({ worker, working, text }: ControlAnswer) => {
    if (working === true) report({ kind: 'working', worker: nameOf.get(worker) ?? worker, text });
  };
  const blocking = await connectLike(client, 'blocking');
  let answers: Map<string, ControlAnswer>;
  try {
    const ids = workers.map(({ id }) => id);
    const request = { order, dryRun, who: actor.who };
    answers = await askWorkers(client, blocking, prefix, ids, request, { timeoutMs, signal, onAnswer });
  } finally {
    await closeClient(blocking);
  }
  if (answers.size === 0) throw noAnswer(workers);
  return workers.map(({ id, name, host }): WorkerOutcome => {
    const answer = answers.get(id);
    if (answer === undefined) return { id, name, host, state: 'silent', said: '', silentMs: timeoutMs };
    const { ok, text, code, hint } = answer;
    return { id, name, host, state: ok ? 'ok' : 'refused', said: text, code, hint };
  });
}

function noAnswer(workers: readonly WorkerRecord[]): InferError {
  const names = workers.map(({ name }) => name).join(', ');
  return new InferError(
    'NO_ANSWER',
    `${plural(workers.length, 'worker')} addressed, and none answered: ${names}`,
    {
      hint: `a worker that hangs is forgotten after ${formatDuration(THRESHOLDS.workerForgotten.value)} and its jobs run elsewhere; -t 30s waits longer`,
    },
  );
}
