import type { Row } from './samples.js';
import type { Judgement } from './verdict.js';

/** Column headings and their content. */
export function head(row: Row): string {
  const memory = Object.keys(row.memory).map((name) => name.padStart(width(name)));
  return `${'min'.padStart(5)} ${'jobs/s'.padStart(7)} ${'p50 ms'.padStart(7)} ${'p99 ms'.padStart(7)} ${'unended'.padStart(8)} ${'keys'.padStart(7)} ${'no TTL'.padStart(7)} ${'entries'.padStart(8)} ${'Redis MB'.padStart(9)} ${memory.join(' ')}`;
}

export function line(row: Row): string {
  const memory = Object.entries(row.memory).map(([name, mb]) => mb.toFixed(1).padStart(width(name)));
  const columns = [
    row.minute.toFixed(1).padStart(5),
    row.rate.toFixed(0).padStart(7),
    row.p50.toFixed(1).padStart(7),
    row.p99.toFixed(1).padStart(7),
    String(row.unended).padStart(8),
    String(row.keys).padStart(7),
    String(row.permanent).padStart(7),
    String(row.entries).padStart(8),
    row.redis.toFixed(1).padStart(9),
    ...memory,
  ];
  return columns.join(' ');
}

function width(name: string): number {
  return Math.max(name.length, 6);
}

/** The second half of the run, figure by figure. */
export function judgementLines(judgements: readonly Judgement[]): string[] {
  const amount = (value: number, unit: string) =>
    `${value.toFixed(unit === '' ? 0 : 1)}${unit === '' ? '' : ` ${unit}`}`;
  return [
    `${'second half'.padEnd(18)} ${'median'.padStart(12)} ${'growth'.padStart(12)} ${'tolerated'.padStart(12)}`,
    ...judgements.map(({ name, unit, usual, growth, allowed, flat }) =>
      [
        name.padEnd(18),
        amount(usual, unit).padStart(12),
        amount(growth, unit).padStart(12),
        amount(allowed, unit).padStart(12),
        flat ? 'flat' : 'NOT FLAT',
      ].join(' '),
    ),
  ];
}
