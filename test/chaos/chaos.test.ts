import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runChaos } from './chaos.js';
import { summary } from './report.js';
import { Known } from './submissions.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

// A short form of `npm run test:chaos`, which takes minutes: one fault each of worker, runner, Redis and network.
it('no job is lost, run twice or leaked while workers, runners, Redis and the network fail', async () => {
  const lines: string[] = [];
  const report = await runChaos({
    root,
    seed: 7,
    rounds: 4,
    faults: ['worker-kill', 'runner-kill', 'redis-kill', 'answers-cut', 'oversized', 'twin-groups'],
    workers: 2,
    clients: 1,
    calmMs: 800,
    print: (line) => lines.push(line),
  });
  expect(report.violations, [...lines, ...summary(report)].join('\n')).toEqual([]);
  expect(report.faults).toHaveLength(4);
  const accepted = [...new Known(report.history).submissions.values()].filter((one) => one.accepted);
  expect(accepted.length).toBeGreaterThan(50);
}, 150_000);
