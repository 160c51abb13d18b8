import { expect, it } from 'vitest';
import { type Ending, toJobTensors } from '../../../src/lib/client/render.js';
import type { ResultMeta } from '../../../src/lib/queue/types.js';

const META: ResultMeta = { worker: 'w', device: 'cpu', attempts: 1, queueMs: 1, runMs: 2, totalMs: 3 };
const ENDING: Ending = { id: 'j1', queue: 'q', model: 'm', state: 'completed', rows: 1, attempts: 1 };

it('a job tells which version ran it, where its worker said that', () => {
  expect(toJobTensors({ ...ENDING, meta: { ...META, version: 3 } }, undefined).version).toBe(3);
  expect(toJobTensors({ ...ENDING, meta: META }, undefined)).not.toHaveProperty('version');
  expect(toJobTensors(ENDING, undefined)).not.toHaveProperty('version');
});
