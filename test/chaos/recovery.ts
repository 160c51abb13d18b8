import type { FaultRecord, FinalJob, HistoryEvent } from './records.js';

export interface Recovery {
  kind: string;
  /** Seconds of each fault of the kind; null when no later completion shows it. */
  seconds: (number | null)[];
}

/**
 * How long until work continued: until the last of the held jobs has ended; otherwise until the next completion (by the
 * worker that was hit, if only its own counts), or until a client gets an answer.
 */
export function recoveries(
  faults: readonly FaultRecord[],
  jobs: readonly FinalJob[],
  history: readonly HistoryEvent[],
): Recovery[] {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const completions = jobs
    .filter((job) => job.state === 'completed' && job.finishedOn !== undefined)
    .sort((a, b) => (a.finishedOn as number) - (b.finishedOn as number));
  const all = new Map<string, (number | null)[]>();
  for (const fault of faults) {
    const next = completions.find(
      (job) =>
        (job.finishedOn as number) >= fault.at && (fault.worker === undefined || job.worker === fault.worker),
    );
    const held = fault.held.map((id) => byId.get(id)?.finishedOn ?? 0);
    const told = history.find((event) => event.type === 'ok' && event.t >= fault.at)?.t;
    const until = held.length > 0 ? Math.max(...held) : fault.clients ? told : next?.finishedOn;
    const seconds = until === undefined ? null : Math.max(0, until - fault.at) / 1000;
    all.set(fault.kind, [...(all.get(fault.kind) ?? []), seconds]);
  }
  return [...all].map(([kind, seconds]) => ({ kind, seconds })).sort((a, b) => a.kind.localeCompare(b.kind));
}
