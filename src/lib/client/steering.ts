import { hostname } from 'node:os';
import { messageOf } from '../core/errors.js';
import { checkQueueName } from '../core/job.js';
import { systemUser } from '../core/system-user.js';
import { refuseUnknownNames } from '../deployment/known-names.js';
import { type AuditLog, writeAudit } from '../queue/audit.js';
import {
  type AuditSummary,
  cancelSummary,
  changedByCancel,
  changedChunks,
  failureSummary,
  retrySummary,
} from '../queue/audit-summary.js';
import type { Producer } from '../queue/broker/producer.js';
import type { Paging } from '../queue/broker/steer-jobs.js';
import { groupNewer } from '../queue/layout.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { readJob } from '../queue/read/reader.js';
import type { RedisClient } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import type { Answers } from './answers.js';
import type { JobLocations } from './job-locations.js';
import type { Call } from './limited.js';

/** Dependencies for cancelling and retrying. */
export interface SteeringParts {
  redis: RedisClient;
  prefix: string;
  producer: Producer;
  locations: JobLocations;
  answers: Answers;
  /** Name for the audit log when a call gives none: INFER_OPERATOR. */
  operator: string | undefined;
}

/** The answer to a call, and what the audit log says about it. */
interface Acted<T> {
  answer: T;
  summary: AuditSummary;
}

/** The course of a call, for the entry of one that fails. */
class Course {
  /** Jobs changed so far. */
  changed = 0;
  /** Whether something may have been changed. Only then is a missing entry reported. */
  begun = false;

  constructor(private readonly call: Call) {}

  /** Called before the first change. Throws if the caller has aborted. */
  begin(): Paging {
    const paging = this.paging();
    this.begun = true;
    return paging;
  }

  /** For work that first only reads. */
  paging(): Paging {
    const { signal } = this.call;
    signal.throwIfAborted();
    const onPage = (_: number, changed: number): void => {
      this.changed = changed;
    };
    const onBegin = (): void => {
      this.begun = true;
    };
    return { signal, onPage, onBegin };
  }
}

/**
 * Cancels a job or all of a group; returns the resulting state. Nothing is written for a caller that has
 * left.
 * @param as name for the audit log; a program that cancels its own work leaves no entry
 */
export function cancelById(
  parts: SteeringParts,
  id: string,
  as: string | undefined,
  call: Call,
): Promise<string> {
  const { redis, prefix, producer, locations, answers } = parts;
  return audited(parts, { action: 'cancel', target: id, who: as, log: 'jobs' }, call, async (course) => {
    const location = await locations.find(id);
    if (location.kind === 'group') {
      const group = await answers.group(id);
      const { states, newer } = await worded(redis, producer.cancelGroup(group, course.begin()));
      const jobs = changedChunks(group, states, newer);
      if (jobs === 0 && newer !== undefined) throw groupNewer(id, newer);
      const { state } = await answers.group(id);
      return { answer: state, summary: cancelSummary({ kind: 'group', state, jobs, newer }) };
    }
    // Whether it had ended before only matters for the entry.
    const before =
      as === undefined ? undefined : await worded(redis, readJob(redis, prefix, location.queue, id));
    course.begin();
    const state = await worded(redis, producer.cancel(location.queue, id));
    if (state === undefined) throw await answers.missing(id, location.queue);
    const jobs = changedByCancel(before?.state, state);
    return { answer: state, summary: cancelSummary({ kind: 'job', state, jobs }) };
  });
}

/** Requeues a failed job, or the failed jobs of a group; returns how many. */
export function retryById(
  parts: SteeringParts,
  id: string,
  { timeLimitMs, as }: { timeLimitMs?: number | undefined; as?: string | undefined },
  call: Call,
): Promise<{ queue: string; count: number }> {
  const { redis, producer, locations, answers } = parts;
  return audited(parts, { action: 'retry', target: id, who: as, log: 'jobs' }, call, async (course) => {
    const { queue, kind } = await locations.find(id);
    const group = kind === 'group' ? await answers.group(id) : undefined;
    const paging = course.begin();
    if (group === undefined) {
      const count = await worded(redis, producer.retry(queue, [id], timeLimitMs));
      return { answer: { queue, count }, summary: retrySummary(count, 0, true) };
    }
    const { retried, newer } = await worded(redis, producer.retryGroup(group, timeLimitMs, paging));
    if (retried === 0 && newer !== undefined) throw groupNewer(id, newer);
    return { answer: { queue, count: retried }, summary: retrySummary(retried, newer?.jobs ?? 0, true) };
  });
}

/**
 * Requeues every failed job of a queue, regardless of its submitter, so it is always audited.
 * @throws InferError QUEUE_NAME (2), QUEUE_UNKNOWN (66).
 */
export function retryQueue(
  parts: SteeringParts,
  queue: string,
  { timeLimitMs, as }: { timeLimitMs?: number | undefined; as?: string | undefined },
  call: Call,
): Promise<number> {
  const { redis, prefix, producer } = parts;
  checkQueueName(queue);
  const who = as ?? parts.operator ?? systemUser();
  const subject = { action: 'retry', target: queue, who, log: 'operators' } as const;
  return audited(parts, subject, call, async (course) => {
    const retrying = producer.retryFailed(queue, timeLimitMs, course.paging());
    const { retried, newer } = await worded(redis, retrying);
    // As in commands: if there are none, the queue may be unknown.
    if (retried === 0 && newer === undefined) {
      await worded(redis, refuseUnknownNames(redis, prefix, parseJobFilter({ queue: [queue] })));
    }
    return { answer: retried, summary: retrySummary(retried, newer?.jobs ?? 0, false) };
  });
}

interface Subject {
  action: string;
  target: string;
  /** Undefined: no entry. */
  who: string | undefined;
  log: AuditLog;
}

/**
 * Runs a call and writes its entry. If the entry cannot be written, the process emits a warning, unless the
 * call ended before it could have changed anything.
 */
async function audited<T>(
  parts: SteeringParts,
  subject: Subject,
  call: Call,
  work: (course: Course) => Promise<Acted<T>>,
): Promise<T> {
  const who = subject.who?.trim();
  const course = new Course(call);
  if (who === undefined) return (await work(course)).answer;
  const onLost = (lost: unknown): void => {
    if (course.begun) warnUnaudited(subject, lost);
  };
  let acted: Acted<T>;
  try {
    acted = await work(course);
  } catch (error) {
    const said = failureSummary(error, call.signal, course.changed);
    if (said !== undefined) await note(parts, { ...subject, who }, said, onLost);
    else onLost(error);
    throw error;
  }
  await note(parts, { ...subject, who }, acted.summary, onLost);
  return acted.answer;
}

/** If the entry cannot be written, the action stays in effect and `onLost` is called. */
async function note(
  { redis, prefix }: SteeringParts,
  { action, target, who, log }: Subject & { who: string },
  { code, ...result }: AuditSummary,
  onLost: (error: unknown) => void,
): Promise<void> {
  const from = { who, host: hostname(), channel: 'library' as const };
  try {
    const entry = { ...from, action, target, detail: '', code: code ?? null, ...result };
    await worded(redis, writeAudit(redis, prefix, entry, log));
  } catch (error) {
    onLost(error);
  }
}

function warnUnaudited({ action, target }: Pick<Subject, 'action' | 'target'>, error: unknown): void {
  process.emitWarning(`the audit log has no entry of ${action} ${target}: ${messageOf(error)}`, {
    type: 'InferWarning',
    code: 'AUDIT_LOST',
  });
}
