import { hostname } from 'node:os';
import { plural } from '../core/counts.js';
import { InferError, messageOf } from '../core/errors.js';
import { systemUser } from '../core/system-user.js';
import { type AuditLog, type NewAuditEntry, writeAudit } from '../queue/audit.js';
import type { Producer } from '../queue/broker/producer.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { Answers } from './answers.js';
import type { Call } from './limited.js';
import type { Places } from './places.js';

/** Dependencies for cancelling and retrying. */
export interface Hands {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  places: Places;
  answers: Answers;
  /** Name for the audit log when a call gives none: INFER_OPERATOR. */
  operator: string | undefined;
}

/** What an audit entry says about a call. */
interface Acted<T> {
  answer: T;
  count: number;
  result: string;
}

/**
 * Cancels a job or all of a group; returns the resulting state. Nothing is written for a caller that has
 * left.
 * @param as name for the audit log; a program that cancels its own work leaves no entry
 */
export function cancelWork(
  hands: Hands,
  id: string,
  as: string | undefined,
  { signal }: Call,
): Promise<string> {
  const { redis, producer, places, answers } = hands;
  return audited(hands, { action: 'cancel', target: id, who: as, log: 'jobs' }, async () => {
    const place = await places.find(id);
    const group = place.kind === 'group' ? await answers.group(id) : undefined;
    signal.throwIfAborted();
    if (group !== undefined) {
      const { cancelled = 0, active = 0 } = await worded(redis, producer.cancelGroup(group, { signal }));
      const { state } = await answers.group(id);
      return { answer: state, count: cancelled + active, result: state };
    }
    const state = await worded(redis, producer.cancel(place.queue, id));
    if (state === undefined) throw await answers.missing(id, place.queue);
    const count = state === 'cancelled' || state === 'active' ? 1 : 0;
    return { answer: state, count, result: state };
  });
}

/** Requeues a failed job, or the failed jobs of a group; returns how many. */
export function retryWork(
  hands: Hands,
  id: string,
  { timeLimitMs, as }: { timeLimitMs?: number | undefined; as?: string | undefined },
  { signal }: Call,
): Promise<{ queue: string; count: number }> {
  const { redis, producer, places, answers } = hands;
  return audited(hands, { action: 'retry', target: id, who: as, log: 'jobs' }, async () => {
    const { queue, kind } = await places.find(id);
    const group = kind === 'group' ? await answers.group(id) : undefined;
    signal.throwIfAborted();
    const retried =
      group === undefined
        ? producer.retry(queue, [id], timeLimitMs)
        : producer.retryGroup(group, timeLimitMs, { signal });
    const count = await worded(redis, retried);
    return { answer: { queue, count }, count, result: waitingAgain(count) };
  });
}

/** Requeues every failed job of a queue, regardless of its submitter, so it is always audited. */
export function retryQueue(
  hands: Hands,
  queue: string,
  { timeLimitMs, as }: { timeLimitMs?: number | undefined; as?: string | undefined },
  { signal }: Call,
): Promise<number> {
  const who = as ?? hands.operator ?? systemUser();
  return audited(hands, { action: 'retry', target: queue, who, log: 'operators' }, async () => {
    const count = await worded(hands.redis, hands.producer.retryFailed(queue, timeLimitMs, { signal }));
    return { answer: count, count, result: waitingAgain(count) };
  });
}

const waitingAgain = (jobs: number): string => `${plural(jobs, 'job')} waiting again`;

interface Subject {
  action: string;
  target: string;
  /** Undefined: no entry. */
  who: string | undefined;
  log: AuditLog;
}

async function audited<T>(hands: Hands, subject: Subject, work: () => Promise<Acted<T>>): Promise<T> {
  const { who } = subject;
  if (who === undefined) return (await work()).answer;
  try {
    const { answer, count, result } = await work();
    await note(hands, { ...subject, who }, { count, result, outcome: 'ok', code: null });
    return answer;
  } catch (error) {
    const code = error instanceof InferError ? error.code : 'INTERNAL';
    await note(hands, { ...subject, who }, { count: 0, result: messageOf(error), outcome: 'failed', code });
    throw error;
  }
}

/** The action stays done even if its entry cannot be written; the process emits a warning. */
async function note(
  { redis, prefix }: Hands,
  { action, target, who, log }: Subject & { who: string },
  result: Pick<NewAuditEntry, 'count' | 'result' | 'outcome' | 'code'>,
): Promise<void> {
  const from = { who, host: hostname(), channel: 'library' as const };
  try {
    await worded(redis, writeAudit(redis, prefix, { ...from, action, target, detail: '', ...result }, log));
  } catch (error) {
    process.emitWarning(`the audit log has no entry of ${action} ${target}: ${messageOf(error)}`, {
      type: 'InferWarning',
      code: 'AUDIT_LOST',
    });
  }
}
