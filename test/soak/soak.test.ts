import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runSoak } from './soak.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

// A short form of `npm run test:soak`, which takes an hour: too short to judge what is flat.
it('a soak loads real processes with all features and reports only right answers', async () => {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const report = await runSoak({ root, minutes: 0.15, rate: 30, seed: 3, print });
  const { unexpected, replaced, unended, unbounded } = report.totals;
  expect({ unexpected, replaced, unended, unbounded }, lines.join('\n')).toEqual({
    unexpected: [],
    replaced: [],
    unended: 0,
    unbounded: [],
  });
  expect(report.outcomes['call answered']).toBeGreaterThan(20);
  expect(report.scrapes).toBeGreaterThan(0);
  expect(report.judgements.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['worker', 'runner', 'client-1', 'client-2', 'keys', 'p99 of a call']),
  );
  for (const row of report.rows) {
    expect(row.keys).toBeGreaterThan(0);
    for (const megabytes of Object.values(row.memory)) expect(megabytes).toBeGreaterThan(10);
  }
}, 240_000);
