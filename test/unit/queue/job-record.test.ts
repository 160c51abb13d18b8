import { describe, expect, it } from 'vitest';
import { damagedRecord, modelJson, recordOf } from '../../../src/lib/queue/job-record.js';
import { matches, parseJobFilter } from '../../../src/lib/queue/read/job-filter.js';

const spec = (model: string) => JSON.stringify({ s: { model, rows: 1, priority: 0, resultTtl: 60 } });

describe('the model of a job', () => {
  it.each([
    ['its data', { data: spec('m'), name: 'other#1' }, 'm'],
    ['its name, without its data', { name: 'm@2#3' }, 'm@2'],
    ['the name that other BullMQ code gave it', { data: '{}', name: 'resize' }, 'resize'],
  ])('is what %s says', (_, fields, model) => {
    expect(recordOf('j1', 'q', fields, 'waiting').model).toBe(model);
  });

  it.each([
    ['without data and name', {}],
    ['with an empty name', { data: '{}', name: '' }],
  ])('is unknown for a job %s, and only JSON shows that as an empty text', (_, fields) => {
    const record = recordOf('j1', 'q', fields, 'waiting');
    expect(record.model).toBeUndefined();
    expect(modelJson(record)).toBe('');
  });

  it('is unknown for a damaged job, which no filter by model selects', () => {
    const record = damagedRecord('j1', 'q', 'its record is a list, not a hash', 1);
    expect(record.model).toBeUndefined();
    expect(matches(parseJobFilter({ state: ['failed'], model: ['m'] }), record, 2)).toBe(false);
    expect(matches(parseJobFilter({ state: ['failed'] }), record, 2)).toBe(true);
  });
});
