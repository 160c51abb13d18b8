import { expect, it } from 'vitest';
import { judgeBatching } from '../../../src/lib/doctor/checks/models-batched.js';
import { batchingNote } from '../../../src/lib/model/batching.js';
import { worker } from './records.js';

const text = 'output y of a row changes by 12 % when other rows share its run (0.05 % is tolerated)';
const model = (name: string, reason?: 'mixes' | 'fixed' | 'ROWS_MIXED') => ({
  name,
  version: 1,
  batch: reason === undefined ? 8 : 1,
  ...(reason === undefined ? {} : { unbatched: { reason, text } }),
});

it('the batching check skips without workers, and passes when rows of all models are batched', () => {
  expect(judgeBatching([])).toMatchObject({ status: 'skip' });
  expect(judgeBatching([worker({ models: [model('a')] })])).toMatchObject({ status: 'ok' });
});

it('the batching check reports slow but correct models found at load once for all workers', () => {
  const models = [model('a', 'mixes'), model('b', 'fixed')];
  expect(judgeBatching([worker({ models }), worker({ name: 'beta', models })])).toMatchObject({
    status: 'ok',
    found: `a@1 runs one row at a time: ${text} (and 1 more)`,
    details: [`b@1 runs one row at a time: ${text}`],
  });
});

it('the batching check warns with a fix about rows that affect each other in service', () => {
  expect(judgeBatching([worker({ models: [model('a', 'ROWS_MIXED'), model('b', 'mixes')] })])).toMatchObject({
    status: 'warn',
    found: expect.stringContaining(`worker alpha saw rows of a@1 mix in service: ${text}`),
    fix: expect.stringContaining('"batchable": false in a/model.json'),
    details: [`b@1 runs one row at a time: ${text}`],
  });
});

it('a table names why a model is not batched, unless it was built for one row per run', () => {
  expect([batchingNote('mixes'), batchingNote('ROWS_MIXED'), batchingNote('fixed')]).toEqual([
    'rows mix',
    'rows mixed',
    undefined,
  ]);
});
