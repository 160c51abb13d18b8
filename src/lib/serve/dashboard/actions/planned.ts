import { count, plural } from '../../../core/counts.js';
import { InferError } from '../../../core/errors.js';
import { checkQueueName, type JobState, printable } from '../../../core/job.js';
import { parseModel } from '../../../core/names.js';
import { cancelWork } from '../../../operations/cancel-work.js';
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
import { FIELDS, type JobFilter, parseJobFilter } from '../../../queue/read/job-filter.js';
import { countJobs } from '../../../queue/read/job-list.js';
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
  /** Jobs, workers or queues that it would change. */
  count: number;
  destructive: boolean;
  typeToConfirm: string | null;
  /** How many a new plan of the operation would change; undefined: the moment of the preview bounds it. */
  counted?: ((plan: never) => number) | undefined;
}

/** A worker that is silent for this many milliseconds does not answer. */
const ANSWER_MS = 5000;
/** Jobs that the filter of one action may select among. */
const MOST_JOBS = 250_000;

/**
 * Reads what an action would change; changes nothing.
 * @param asOf its moment, ms since the epoch by Redis's clock: what comes later is not included
 * @throws InferError for unknown names, jobs that cannot be changed, and filters that are too wide
 *   (ACTION_BOUND)
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
        ? planRetry({ id: action.id }, `Runs job ${printable(action.id)} again.`, context, asOf)
        : planRetryAll(action.filter, context, asOf);
    case 'cancel':
      return 'id' in action ? planCancel(action.id, context) : planCancelAll(action.filter, context, asOf);
    case 'priority': {
      const operation = prioritiseJobs([action.id], action.priority);
      const { jobs } = await preview(operation, context);
      const changed = jobs.filter(({ outcome }) => outcome === 'changed').length;
      const text = `Gives job ${printable(action.id)} priority ${action.priority}.`;
      return { operation, text, count: changed, ...HARMLESS };
    }
  }
}

const HARMLESS = { destructive: false, typeToConfirm: null } as const;

async function planPause(queue: string, paused: boolean, context: OperationContext): Promise<Planned> {
  const operation = pauseQueue(queue, paused);
  const { changed, waiting, active } = await preview(operation, context);
  const name = printable(queue);
  const now = `${plural(waiting, 'job')} waiting, ${count(active)} running`;
  const text = paused
    ? `Pauses queue ${name}: its waiting jobs stay, running ones finish (${now}).`
    : `Resumes queue ${name}: workers take its jobs again (${now}).`;
  return { operation, text, count: changed ? 1 : 0, destructive: paused, typeToConfirm: null };
}

async function planPurge(
  queue: string,
  states: readonly JobState[],
  context: OperationContext,
  asOf: number,
): Promise<Planned> {
  const operation = purgeQueue(queue, states, asOf);
  const { jobs } = await preview(operation, context);
  const all = Object.entries(jobs);
  const isOpen = (state: string) => state === 'waiting' || state === 'delayed';
  const part = (verb: string, of: typeof all) => {
    const some = of.filter(([, n]) => n > 0);
    if (some.length === 0) return [];
    return [`${verb} ${some.map(([state, n]) => `${count(n)} ${state}`).join(' and ')}`];
  };
  const parts = [
    ...part(
      'cancels',
      all.filter(([state]) => isOpen(state)),
    ),
    ...part(
      'deletes',
      all.filter(([state]) => !isOpen(state)),
    ),
  ];
  const total = all.reduce((sum, [, n]) => sum + n, 0);
  const text =
    total === 0
      ? `Queue ${printable(queue)} has no ${states.join(' or ')} jobs.`
      : `${sentence(parts.join(' and '))} ${total === 1 ? 'job' : 'jobs'} of queue ${printable(queue)}.`;
  // Nothing would be lost, so there is nothing to confirm.
  return { operation, text, count: total, destructive: true, typeToConfirm: total === 0 ? null : queue };
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
    operation,
    text:
      ORDERS[order.verb]?.(shown, printable(detail ?? ''), workers.length === 1) ?? `${order.verb} ${shown}`,
    count: workers.length,
    destructive: order.verb === 'drain' || order.verb === 'restart' || order.verb === 'unload',
    typeToConfirm: null,
    counted: (plan: readonly unknown[]) => plan.length,
  };
}

async function planRetry(
  wish: { id: string } | { filter: JobFilter; detail: string },
  text: string,
  context: OperationContext,
  asOf: number,
): Promise<Planned> {
  const operation = retryJobs(wish, undefined, asOf);
  const { counts } = await preview(operation, context);
  const jobs = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return { operation, text, count: jobs, ...HARMLESS };
}

async function planRetryAll(typed: JobsFilter, context: OperationContext, asOf: number): Promise<Planned> {
  const filter = filterOf({ ...typed, state: 'failed' });
  // Whatever the page shows: only failed jobs can run again.
  const others = { ...typed, state: undefined };
  await refuseTooWide(filter, context, asOf);
  const planned = await planRetry({ filter, detail: detailOf(others) }, '', context, asOf);
  return { ...planned, text: `Runs ${jobsThat(others, planned.count, 'failed')} again.` };
}

async function planCancel(id: string, context: OperationContext): Promise<Planned> {
  const operation = cancelWork(id);
  const plan = await preview(operation, context);
  const what = plan.kind === 'job' ? `job ${printable(id)}` : `group ${printable(id)}`;
  const open = plan.kind === 'job' ? '' : `: ${plural(plan.open, 'job')} that have not ended`;
  return {
    operation,
    text: `Cancels ${what}${open}.`,
    count: plan.open,
    destructive: true,
    typeToConfirm: null,
  };
}

async function planCancelAll(typed: JobsFilter, context: OperationContext, asOf: number): Promise<Planned> {
  const filter = filterOf(typed);
  const open = { ...filter, states: filter.states.filter((state) => !ENDED.has(state)) };
  await refuseTooWide(open, context, asOf);
  const operation = revokeJobs({ filter, detail: detailOf(typed) }, asOf);
  const { jobs, byState } = await preview(operation, context);
  const states = Object.entries(byState).map(([state, n]) => `${count(n ?? 0)} ${state}`);
  const text = `Cancels ${jobsThat(typed, jobs)}${states.length > 1 ? ` (${states.join(', ')})` : ''}.`;
  const counted = (plan: { jobs: number }) => plan.jobs;
  return { operation, text, count: jobs, destructive: true, typeToConfirm: null, counted };
}

const ENDED: ReadonlySet<JobState> = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** @throws InferError FILTER (400). */
function filterOf({ olderThan, error, ...lists }: JobsFilter): JobFilter {
  const list = (text: string | undefined) => (text === undefined || text === '' ? undefined : [text]);
  const words = Object.fromEntries(Object.entries(lists).map(([name, text]) => [name, list(text)]));
  return parseJobFilter({ ...words, olderThan: olderThan || undefined, error: error || undefined }, FIELDS);
}

/** @throws InferError ACTION_BOUND (400). */
async function refuseTooWide(
  filter: JobFilter,
  { client, prefix }: OperationContext,
  asOf: number,
): Promise<void> {
  const { total } = await worded(client, countJobs(client, prefix, filter, asOf));
  if (total <= MOST_JOBS) return;
  throw new InferError(
    'ACTION_BOUND',
    `the filter selects among ${count(total)} jobs, and one action looks at ${count(MOST_JOBS)} at most`,
    { hint: 'choose one queue or a shorter time; purge empties a whole queue of any length' },
  );
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
