import { endedElsewhere } from '../queue/job-record.js';
import type { JobRecord } from '../queue/types.js';

/** Failed jobs with one error code, among those looked at. */
export interface FailureGroup {
  code: string;
  jobs: number;
  queues: string[];
  /** Milliseconds since the epoch of the earliest and latest end seen. */
  firstAt: number;
  lastAt: number;
  /** The most recent one, and its message. */
  example: string;
  message: string;
  /** The command that runs them again. */
  fix: string;
}

/** Groups failures by code, the most frequent first. @param failed the most recent first. */
export function groupFailures(failed: readonly JobRecord[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const job of failed) {
    const { code, message } = job.failure ?? endedElsewhere('');
    const at = job.finishedAt ?? job.submittedAt;
    const group = groups.get(code);
    if (group === undefined) {
      const example = job.id;
      groups.set(code, {
        code,
        jobs: 1,
        queues: [job.queue],
        firstAt: at,
        lastAt: at,
        example,
        message,
        fix: '',
      });
      continue;
    }
    group.jobs += 1;
    if (!group.queues.includes(job.queue)) group.queues.push(job.queue);
    group.firstAt = Math.min(group.firstAt, at);
    if (at <= group.lastAt) continue;
    Object.assign(group, { lastAt: at, example: job.id, message });
  }
  const sorted = [...groups.values()].sort((a, b) => b.jobs - a.jobs || b.lastAt - a.lastAt);
  for (const group of sorted) group.fix = fixOf(group);
  return sorted;
}

function fixOf({ code, jobs, queues, example }: FailureGroup): string {
  if (jobs === 1) return `infer retry ${example}`;
  return `infer retry --failed -Q ${queues.join(',')} --error ${code}`;
}
