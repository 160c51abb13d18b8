import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runFuzz } from './fuzz.js';
import { summary } from './report.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SEED = 11;

// A short form of `npm run test:fuzz`, which sends 10,000.
it('a gateway answers malformed requests as documented; none ends it or appears in its log', async () => {
  const lines: string[] = [];
  const report = await runFuzz({ root, seed: SEED, requests: 600, print: (line) => void lines.push(line) });
  const told = [...lines, ...summary(report, SEED)].join('\n');
  expect(report.faults, told).toEqual([]);
  expect(report.troubles, told).toEqual([]);
  // Requests that reach no operation would find nothing.
  expect(report.mutations.size, told).toBeGreaterThan(40);
  expect(report.statuses.get('200'), told).toBeGreaterThan(50);
  expect(report.statuses.get('400'), told).toBeGreaterThan(50);
  for (const name of [
    'POST /v1/jobs',
    'PUT /v1/jobs/{id}',
    'POST /predict',
    'GET /v1/jobs/{id}',
    'POST /v1/embeddings',
  ])
    expect(report.neverWell, told).not.toContain(name);
}, 300_000);
