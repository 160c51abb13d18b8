import type { ChaosReport } from './chaos.js';
import { keyLines } from './key-lines.js';
import { recoveries } from './recovery.js';
import { Known } from './submissions.js';

/** The counts of a run, as lines. */
export function summary({ history, state, faults, refused, violations }: ChaosReport): string[] {
  const known = new Known(history);
  const all = [...known.submissions.values()];
  const of = (name: string) => state.jobs.filter((job) => job.state === name).length;
  const executions = state.jobs.reduce((sum, job) => sum + job.executions, 0);
  const again = state.jobs.reduce((sum, job) => sum + Math.max(0, job.executions - 1), 0);
  const lapses = state.jobs.reduce((sum, job) => sum + job.lapses, 0);
  const retries = state.jobs.reduce((sum, job) => sum + Math.max(0, job.settled - 1), 0);
  const unknown = history.filter((event) => event.type === 'info').length;
  const { before, after } = state.memory;
  return [
    `operations   ${history.filter((event) => event.type === 'invoke').length}, ${unknown} of unknown outcome`,
    `jobs         ${all.length} submitted, ${all.filter((one) => one.accepted).length} acknowledged`,
    `groups       ${known.groups.size}`,
    `ended        ${of('completed')} completed, ${of('failed')} failed, ${of('expired')} expired, ${of('cancelled')} cancelled`,
    `executions   ${executions}, ${again} of them again (${lapses} lost locks, ${retries} retries), ${refused} outcomes refused`,
    ...recoveries(faults, state.jobs, history).map(
      ({ kind, seconds }) =>
        `recovery     ${kind.padEnd(14)} ${seconds.map((s) => (s === null ? '-' : `${s.toFixed(2)} s`)).join(', ')}`,
    ),
    ...keyLines(state.kinds),
    `memory       ${before} bytes before, ${after} after`,
    ...violations.slice(0, 40).map(({ name, detail }) => `VIOLATION    ${name}: ${detail}`),
    ...(violations.length > 40 ? [`             and ${violations.length - 40} more`] : []),
    violations.length === 0
      ? 'verdict      all promises held'
      : `verdict      ${violations.length} broken promises`,
  ];
}
