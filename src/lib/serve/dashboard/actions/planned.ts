import { count, plural } from '../../../core/counts.js';
import { checkQueueName, type JobState, MAX_PRIORITY, type Priority, printable } from '../../../core/job.js';
import { parseModel } from '../../../core/names.js';
import { sumOf } from '../../../operations/audit-text.js';
import { cancelWork } from '../../../operations/cancel-work.js';
import { boundedJobs, byStateText, unreadText } from '../../../operations/estimate-text.js';
import { groupsOf } from '../../../operations/named-jobs.js';
import type { Operation, OperationContext } from '../../../operations/operation.js';
import { orderWorkers } from '../../../operations/order-workers.js';
import { pauseQueue } from '../../../operations/pause-queue.js';
import { purgeQueue } from '../../../operations/purge-queue.js';
import { retryJobs } from '../../../operations/retry-jobs.js';
import { revokeJobs } from '../../../operations/revoke-jobs.js';
import { preview } from '../../../operations/run.js';
import { prioritiseJobs } from '../../../operations/set-priority.js';
import { settableOrder } from '../../../operations/settable-order.js';
import type { Order } from '../../../queue/broker/control.js';
import { type JobEstimate, leastOf, mostOf } from '../../../queue/read/job-estimate.js';
import { type JobFilter, LABELS, parseJobFilter } from '../../../queue/read/job-filter.js';
import { worded } from '../../../redis/worded.js';
import type { Action, JobsFilter } from '../shapes.js';
import { jobsThat, workersNamed } from './action-words.js';

// biome-ignore lint/suspicious/noExplicitAny: each operation has a plan and an outcome of its own
export type AnyOperation = Operation<any, any, any>;

/** An action, ready to be done: what it would change, and how. */
export interface Planned {
  operation: AnyOperation;
  /** What it does, one sentence. */
  text: string;
  /** Jobs, workers or queues that it would change: all, at most, or at least this many. */
  count: number;
  bound: JobEstimate['bound'];
  destructive: boolean;
  typeToConfirm: string | null;
  /**
   * Its limit: how many were shown at most, and how many a new plan of the operation would certainly change. Undefined:
   * the moment of the preview bounds it.
   */
  limit?: { most: number; certain: (plan: never) => number } | undefined;
}

/** A worker that is silent for this many milliseconds does not answer. */
const ANSWER_MS = 5000;
/**
 * Reads what an action would change, at a cost that does not depend on how many jobs there are; changes nothing.
 * @param asOf its moment, ms since the epoch by Redis's clock: what comes later is not included
 * @throws InferError for unknown names, and jobs that cannot be changed
 */
export async function planAction(action: Action, context: OperationContext, asOf: number): Promise<Planned> {
  switch (action.action) {
    case 'pause':
    case 'resume':
      return planPause(checkQueueName(action.queue), action.action === 'pause', context);
    case 'purge':
      return planPurge(checkQueueName(action.queue), action.states, context, asOf);
    case 'drain':
    case 'restart':
      return planOrder(action.worker, { verb: action.action }, undefined, context);
    case 'concurrency': {
      const text = String(action.value);
      return planOrder(action.worker, settableOrder('concurrency', text), `concurrency ${text}`, context);
    }
    case 'load':
      return planOrder(action.worker, { verb: 'load', ...parseModel(action.model) }, action.model, context);
    case 'unload': {
      const order = { verb: 'unload', model: action.model, force: false } as const;
      return planOrder(action.worker, order, action.model, context);
    }
    case 'retry':
      return 'id' in action
        ? planRetry(action.id, context, asOf)
        : planRetryAll(action.filter, context, asOf);
    case 'cancel':
      return 'id' in action ? planCancel(action.id, context) : planCancelAll(action.filter, context, asOf);
    case 'priority':
      return planPriority(action.id, action.priority, context);
  }
}

const HARMLESS = { bound: 'exact', destructive: false, typeToConfirm: null } as const;

async function planPause(queue: string, paused: boolean, context: OperationContext): Promise<Planned> {
  const operation = pauseQueue(queue, paused);
  const { changed, waiting, active } = await preview(operation, context);
  const name = printable(queue);
  const now = `${plural(waiting, 'job')} waiting, ${count(active)} running`;
  const text = paused
    ? `Pauses queue ${name}: its waiting jobs stay, running ones finish (${now}).`
    : `Resumes queue ${name}: workers take its jobs again (${now}).`;
  return { ...HARMLESS, operation, text, count: changed ? 1 : 0, destructive: paused };
}

async function planPurge(
  queue: string,
  states: readonly JobState[],
  context: OperationContext,
  asOf: number,
): Promise<Planned> {
  const operation = purgeQueue(queue, states, asOf);
  const { jobs, isExact } = await worded(context.client, operation.plan(context));
  const all = Object.entries(jobs);
  const waits = (state: string) => state === 'waiting' || state === 'delayed';
  const part = (verb: string, of: typeof all) => {
    const some = of.filter(([, n]) => n > 0);
    if (some.length === 0) return [];
    return [
      `${verb} ${isExact ? '' : 'at most '}${some.map(([state, n]) => `${count(n)} ${state}`).join(' and ')}`,
    ];
  };
  const parts = [
    ...part(
      'cancels',
      all.filter(([state]) => waits(state)),
    ),
    ...part(
      'deletes',
      all.filter(([state]) => !waits(state)),
    ),
  ];
  const total = all.reduce((sum, [, n]) => sum + n, 0);
  const text =
    total === 0
      ? `Queue ${printable(queue)} has no ${states.join(' or ')} jobs.`
      : `${sentence(parts.join(' and '))} ${total === 1 ? 'job' : 'jobs'} of queue ${printable(queue)}.`;
  // Nothing would be lost, so there is nothing to confirm.
  const bound = isExact ? 'exact' : 'most';
  return {
    operation,
    text,
    count: total,
    bound,
    destructive: true,
    typeToConfirm: total === 0 ? null : queue,
  };
}

const ORDERS: Readonly<Record<string, (names: string, detail: string, isOne: boolean) => string>> = {
  drain: (names, _, isOne) =>
    `Drains ${names}: what runs is finished, nothing more is taken, and then ${isOne ? 'it stops' : 'they stop'}.`,
  restart: (names, _, isOne) =>
    isOne
      ? `Restarts ${names}: it finishes its jobs and loads its models again.`
      : `Restarts ${names}: they finish their jobs and load their models again.`,
  set: (names, detail) => `Sets ${detail} for ${names}.`,
  load: (names, detail) => `Loads model ${detail} on ${names}.`,
  unload: (names, detail) => `Unloads model ${detail} on ${names}: its jobs wait for other workers.`,
};

async function planOrder(
  worker: string,
  order: Order,
  detail: string | undefined,
  context: OperationContext,
): Promise<Planned> {
  const operation = orderWorkers(order, worker, { timeoutMs: ANSWER_MS, detail });
  // Its own preview asks the workers what they would do; to name them is enough here.
  const workers = await worded(context.client, operation.plan(context));
  const shown = workersNamed(workers.map(({ name }) => name));
  return {
    ...HARMLESS,
    operation,
    text:
      ORDERS[order.verb]?.(shown, printable(detail ?? ''), workers.length === 1) ?? `${order.verb} ${shown}`,
    count: workers.length,
    destructive: order.verb === 'drain' || order.verb === 'restart' || order.verb === 'unload',
    limit: { most: workers.length, certain: (plan: readonly unknown[]) => plan.length },
  };
}

async function planRetry(id: string, context: OperationContext, asOf: number): Promise<Planned> {
  const operation = retryJobs({ id }, undefined, asOf);
  const { meant, estimate } = await worded(context.client, operation.plan(context));
  if ('named' in meant && groupsOf(meant.named).length > 0) {
    const text = `Runs the failed jobs of group ${printable(id)} again: ${boundedJobs(estimate)}.`;
    return { ...HARMLESS, operation, text, count: estimate.jobs, bound: estimate.bound };
  }
  const { counts } = await preview(operation, context);
  return { ...HARMLESS, operation, text: `Runs job ${printable(id)} again.`, count: sumOf(counts) };
}

async function planRetryAll(typed: JobsFilter, context: OperationContext, asOf: number): Promise<Planned> {
  const filter = filterOf({ ...typed, state: 'failed' });
  // Whatever the page shows: only failed jobs can run again.
  const others = { ...typed, state: undefined };
  const operation = retryJobs({ filter, detail: detailOf(others) }, undefined, asOf);
  const { estimate } = await worded(context.client, operation.plan(context));
  const text = withUnread(`Runs ${jobsThat(others, estimate, 'failed')} again.`, estimate);
  return { ...HARMLESS, operation, text, count: estimate.jobs, bound: estimate.bound };
}

async function planPriority(id: string, priority: Priority, context: OperationContext): Promise<Planned> {
  const operation = prioritiseJobs([id], priority);
  const named = await worded(context.client, operation.plan(context));
  if (groupsOf(named).length > 0) {
    // Only its chunks tell which of them wait.
    const jobs = { jobs: named.total, bound: 'most' } as const;
    const text = `Gives group ${printable(id)} priority ${priority}: ${boundedJobs(jobs)}.`;
    return { ...HARMLESS, operation, text, count: jobs.jobs, bound: jobs.bound };
  }
  const { jobs } = await preview(operation, context);
  const changed = jobs.filter(({ outcome }) => outcome === 'changed').length;
  return { ...HARMLESS, operation, text: `Gives job ${printable(id)} priority ${priority}.`, count: changed };
}

async function planCancel(id: string, context: OperationContext): Promise<Planned> {
  const operation = cancelWork(id);
  const plan = await preview(operation, context);
  const what = plan.kind === 'job' ? `job ${printable(id)}` : `group ${printable(id)}`;
  const open = plan.kind === 'job' ? '' : `: ${plural(plan.open, 'job')} that have not ended`;
  const text = `Cancels ${what}${open}.`;
  return { ...HARMLESS, operation, text, count: plan.open, destructive: true };
}

async function planCancelAll(typed: JobsFilter, context: OperationContext, asOf: number): Promise<Planned> {
  const filter = filterOf(typed);
  const wish = { filter, detail: detailOf(typed) };
  const plan = await worded(context.client, revokeJobs(wish, { asOf }).plan(context));
  const states = Object.keys(plan.byState).length > 1 ? ` (${byStateText(plan)})` : '';
  const text = withUnread(`Cancels ${jobsThat(typed, plan)}${states}.`, plan);
  const most = mostOf(plan);
  return {
    operation: revokeJobs(wish, { asOf, most }),
    text,
    count: plan.jobs,
    bound: plan.bound,
    destructive: true,
    typeToConfirm: most > 0 && isWhole(filter) ? (filter.queues?.join(',') ?? ALL_QUEUES) : null,
    limit: { most, certain: leastOf },
  };
}

/** The word to type where there is no queue to name; no queue has this name. */
const ALL_QUEUES = 'all queues';

/** Whether a filter selects all jobs of its queues and states: cancelling them is as final as a purge. */
function isWhole({ models, workers, priorities, olderThanMs, error }: JobFilter): boolean {
  const anyPriority = priorities === undefined || new Set(priorities).size > MAX_PRIORITY;
  const anyJob = models === undefined && workers === undefined && error === undefined;
  return anyPriority && anyJob && !olderThanMs;
}

function withUnread(text: string, estimate: JobEstimate): string {
  const unread = unreadText(estimate);
  return unread === undefined ? text : `${text} ${sentence(unread)}.`;
}

/** @throws InferError FILTER (400). */
function filterOf({ olderThan, error, ...lists }: JobsFilter): JobFilter {
  const list = (text: string | undefined) => (text === undefined || text === '' ? undefined : [text]);
  const words = Object.fromEntries(Object.entries(lists).map(([name, text]) => [name, list(text)]));
  return parseJobFilter({ ...words, olderThan: olderThan || undefined, error: error || undefined }, LABELS);
}

function detailOf(typed: JobsFilter): string {
  return given(typed)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function given(typed: JobsFilter): [string, string][] {
  return Object.entries(typed).filter((entry): entry is [string, string] => Boolean(entry[1]));
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
