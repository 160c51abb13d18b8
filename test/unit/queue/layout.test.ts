import { describe, expect, it } from 'vitest';
import { findProblems } from '../../../src/lib/deployment/problems.js';
import { jobName, readJobData, toJobData } from '../../../src/lib/queue/job-data.js';
import { recordOf } from '../../../src/lib/queue/job-record.js';
import {
  LAYOUTS,
  layoutNewer,
  markOf,
  newerThan,
  newestOf,
  splitRoute,
} from '../../../src/lib/queue/layout.js';
import { routeOf, routesTo, servedRoutes, unservedFix, unservedText } from '../../../src/lib/queue/routes.js';
import type { JobSpec, WorkerRecord } from '../../../src/lib/queue/types.js';

const NEXT = { number: newestOf(LAYOUTS).number + 1, since: '9.8.0' };
const MARK = `${NEXT.number}/9.8.0`;
const SPEC: JobSpec = { id: 'j', queue: 'q', model: 'm', rows: 3, priority: 4, resultTtl: 60 };
const NEWER: JobSpec = { ...SPEC, layout: MARK };

describe('the layout of a job', () => {
  it('costs a job of the first layout nothing: no field and no part of the name', () => {
    expect(markOf({ number: 1, since: '0.1.0' })).toBeUndefined();
    expect(jobName(SPEC)).toBe('m#3');
    expect(JSON.stringify(toJobData(SPEC, undefined))).toBe(
      '{"s":{"model":"m","rows":3,"priority":4,"resultTtl":60}}',
    );
  });

  it('is in name, route and data of a later one, with the release that reads it', () => {
    expect(markOf(NEXT)).toBe(MARK);
    expect(jobName(NEWER)).toBe(`m!${MARK}#3`);
    expect(routeOf({ ...NEWER, version: 2 })).toBe(`m@2!${MARK}`);
    expect(splitRoute(routeOf(NEWER))).toEqual({ route: 'm', mark: MARK });
    expect(toJobData(NEWER, undefined)).toMatchObject({ s: { layout: MARK } });
  });

  it.each([
    [MARK, NEXT],
    ['1/0.1.0', undefined],
    [undefined, undefined],
    ['', undefined],
    ['next', undefined],
    [7, undefined],
    [`${NEXT.number}/`, undefined],
  ])('with mark %j is newer than this release: %j', (mark, newer) => {
    expect(newerThan(LAYOUTS, mark)).toEqual(newer);
    expect(newerThan([...LAYOUTS, NEXT], mark)).toBeUndefined();
  });

  it('when unknown keeps its data unread, and is read by a process that knows it', () => {
    const json = JSON.stringify(toJobData(NEWER, new Uint8Array([1])));
    expect(readJobData(json, 'j', 'q')).toEqual({
      spec: undefined,
      input: undefined,
      unrunnable: { kind: 'newer', layout: NEXT },
    });
    expect(readJobData(json, 'j', 'q', [...LAYOUTS, NEXT])).toMatchObject({
      spec: NEWER,
      unrunnable: undefined,
    });
  });

  it('when unknown leaves only the fields that every layout has', () => {
    const fields = { name: jobName(NEWER), data: 'of another form', priority: '6', timestamp: '5', ats: '1' };
    expect(recordOf('j', 'q', fields, 'waiting')).toEqual({
      id: 'j',
      queue: 'q',
      state: 'waiting',
      model: 'm',
      rows: 3,
      priority: 4,
      submittedAt: 5,
      attempts: 1,
      newer: NEXT,
    });
  });
});

describe('jobs of a newer layout', () => {
  const worker = {
    id: 'w',
    name: 'w',
    state: 'ready',
    queues: ['q'],
    beatAt: 1000,
    loopLagMs: 0,
    active: [],
    models: [{ name: 'm', version: 1, batch: 1 }],
  } as unknown as WorkerRecord;

  it('are served only by workers that can read them', () => {
    expect(routesTo('m', 1)).toEqual(['m', 'm@1']);
    expect(routesTo('m', 1, [MARK])).toEqual(['m', 'm@1', `m!${MARK}`, `m@1!${MARK}`]);
    expect(servedRoutes([worker], 'q').has(routeOf(NEWER))).toBe(false);
    expect(servedRoutes([{ ...worker, layouts: [MARK] }], 'q').has(routeOf(NEWER))).toBe(true);
  });

  it('are reported with the release they need and what to do', () => {
    const jobs = { route: routeOf(NEWER), jobs: 2 };
    expect(unservedText('q', jobs)).toBe(
      '2 jobs of queue q wait for model m in a worker of infer 9.8.0 or newer, and no worker of it is that',
    );
    expect(unservedFix('q', jobs, [worker])).toBe('upgrade the workers of queue q to infer 9.8.0 or newer');
    expect(layoutNewer('job j', NEXT)).toMatchObject({
      code: 'LAYOUT_NEWER',
      message: 'job j was submitted by infer 9.8.0 or newer, and this release cannot read it',
      hint: 'upgrade infer here to 9.8.0 or newer',
    });
  });

  it('need the upgrade even if no worker serves their queue', () => {
    const queue = { name: 'q', waiting: 2, active: 0, unmatched: {}, newer: NEXT };
    const redis = { version: '7', usedMemoryBytes: 1, maxMemoryBytes: 100, policy: 'noeviction' };
    const overview = { redis, queues: [queue], autoscalers: [], lapsed: [], at: 1000 };
    const first = (workers: WorkerRecord[]) =>
      findProblems({ ...overview, workers } as unknown as Parameters<typeof findProblems>[0])[0];
    const fix = 'start a worker of infer 9.8.0 or newer: infer worker -Q q';
    expect(first([])).toEqual({
      code: 'NO_WORKERS',
      message: 'no worker is running and jobs wait in q; they need a worker of infer 9.8.0 or newer',
      fix,
    });
    expect(first([{ ...worker, queues: ['other'] }])).toEqual({
      code: 'QUEUE_UNSERVED',
      message: 'queue q: 2 jobs wait and no worker serves it; they need a worker of infer 9.8.0 or newer',
      fix,
    });
  });

  it('are a problem of the deployment while no worker can read them', () => {
    const queue = { name: 'q', waiting: 2, active: 0, unmatched: { [routeOf(NEWER)]: 2 } };
    const redis = { version: '7', usedMemoryBytes: 1, maxMemoryBytes: 100, policy: 'noeviction' };
    const overview = { redis, queues: [queue], workers: [worker], autoscalers: [], lapsed: [], at: 1000 };
    const problems = (workers: WorkerRecord[]) =>
      findProblems({ ...overview, workers } as unknown as Parameters<typeof findProblems>[0]).filter(
        ({ code }) => code === 'MODEL_NO_WORKER',
      );
    expect(problems([worker])).toEqual([
      {
        code: 'MODEL_NO_WORKER',
        message: unservedText('q', { route: routeOf(NEWER), jobs: 2 }),
        fix: 'upgrade the workers of queue q to infer 9.8.0 or newer',
      },
    ]);
    expect(problems([{ ...worker, layouts: [MARK] }])).toEqual([]);
  });
});
