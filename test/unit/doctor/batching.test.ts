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

it('no worker, or rows of all models together', () => {
  expect(judgeBatching([])).toMatchObject({ status: 'skip' });
  expect(judgeBatching([worker({ models: [model('a')] })])).toMatchObject({ status: 'ok' });
});

it('what the trial at load found is right and slow: said once for all workers', () => {
  const models = [model('a', 'mixes'), model('b', 'fixed')];
  expect(judgeBatching([worker({ models }), worker({ name: 'beta', models })])).toMatchObject({
    status: 'ok',
    found: `a@1 runs one row at a time: ${text} (and 1 more)`,
    details: [`b@1 runs one row at a time: ${text}`],
  });
});

it('what was found in service is a warning with its fix', () => {
  expect(judgeBatching([worker({ models: [model('a', 'ROWS_MIXED'), model('b', 'mixes')] })])).toMatchObject({
    status: 'warn',
    found: expect.stringContaining(`worker alpha saw rows of a@1 mix in service: ${text}`),
    fix: expect.stringContaining('"batchable": false in a/model.json'),
    details: [`b@1 runs one row at a time: ${text}`],
  });
});

it('a table names the reason, unless one row a run is what the model was made for', () => {
  expect([batchingNote('mixes'), batchingNote('ROWS_MIXED'), batchingNote('fixed')]).toEqual([
    'rows mix',
    'rows mixed',
    undefined,
  ]);
});
