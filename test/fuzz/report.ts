import type { FuzzReport } from './fuzz.js';

const MOST_FAULTS = 40;

/** The counts and faults of a run, as lines. */
export function summary(report: FuzzReport, seed: number): string[] {
  const { sent, faults, statuses, mutations, neverWell, troubles, seconds } = report;
  const counts = [...statuses]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([status, count]) => `${status}: ${count}`);
  return [
    `requests     ${sent} in ${seconds.toFixed(1)} s`,
    `answers      ${counts.join(', ')}`,
    `faults sent  ${mutations.size} kinds`,
    ...(neverWell.length === 0 ? [] : [`no success   ${neverWell.join(', ')}`]),
    ...faults
      .slice(0, MOST_FAULTS)
      .flatMap(({ number, operation, mutation, what, request }) => [
        `FAULT        ${operation}, ${mutation}: ${what}`,
        `             ${request}`,
        ...(number < 0 ? [] : [`             npm run test:fuzz -- --seed ${seed} --only ${number}`]),
      ]),
    ...(faults.length > MOST_FAULTS ? [`             and ${faults.length - MOST_FAULTS} more`] : []),
    ...troubles.map((trouble) => `FAULT        ${trouble}`),
    faults.length + troubles.length === 0
      ? 'verdict      every response is as documented'
      : `verdict      ${faults.length + troubles.length} faults`,
  ];
}
