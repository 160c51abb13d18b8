import { expect, it } from 'vitest';
import type { TakenJob } from '../../../src/lib/queue/types.js';
import type { WorkReport } from '../../../src/lib/queue/work-stats.js';
import { WorkRecord } from '../../../src/lib/worker/work-record.js';

const META = { worker: 'w', device: '', attempts: 1, queueMs: 1, runMs: null, totalMs: 1 };

/** A job that failed before it ran. */
function failed(model: string | undefined) {
  const job = { spec: { id: 'j1', queue: 'q', model, rows: 1 } } as unknown as TakenJob;
  const failure = { code: 'JOB_DAMAGED', message: 'its field data is not JSON' } as const;
  return { kind: 'failed', job, failure, meta: META } as const;
}

it('a job whose model is not known counts for its queue, and for no model', async () => {
  const work = new WorkRecord({ now: () => 1_000_000 });
  work.settled(failed('m'));
  work.settled(failed(undefined));
  let report: WorkReport | undefined;
  await work.send(async (sent) => {
    report = sent;
  });
  const figures = report?.buckets[0]?.figures;
  expect(figures?.jobs.failed).toBe(2);
  expect([...(figures?.models.keys() ?? [])]).toEqual(['m']);
});
