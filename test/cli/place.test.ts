import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobPlace } from '../../src/lib/deployment/place/job-place.js';
import { until, useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

/** A row takes until the gate is there, and 20 ms. */
const gated = (gate: string) => `
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
export async function preprocess(row) {
  await delay(20);
  while (!existsSync(${JSON.stringify(gate)})) await delay(20);
  return { x: row.x };
}`;

/** A row takes 20 ms, and what else there is. */
const TWENTY_MS = `
import { setTimeout as delay } from 'node:timers/promises';
export async function preprocess(row) {
  await delay(20);
  return { x: row.x };
}`;

const ROW = { stdin: '{"x":[1,2,3,4]}' };
type Placed = { id: string; state: string } & Partial<JobPlace>;
let models = '';
let gate = '';

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  gate = path.join(infer.dir, 'open');
  const handler = { handler: './h.mjs', batchable: false };
  writeModel(models, 'slow', doubler(), handler, { files: { 'h.mjs': gated(gate) } });
  await infer.worker(['-Q', 'scans', '--models', models, '-m', 'slow', '--name', 'gpu-a']);
});
afterAll(() => writeFileSync(gate, ''));

const submit = (...more: string[]) => submitTo('scans', ...more);
const submitTo = (queue: string, ...more: string[]) =>
  infer.run(['submit', '-', '-m', 'slow', '--models', models, '-Q', queue, '--json', ...more], ROW);
const idOf = async (...more: string[]) => (await submit(...more)).json<{ id: string }>().id;
const result = async (id: string) => (await infer.ask(['result', id, '--json'])).json<Placed>();
const job = async (id: string) => (await infer.ask(['inspect', 'job', id, '--json'])).json<Placed>();

describe('a job that has not started', () => {
  it('submit says in one line what is in its way; result and inspect job have the same', async () => {
    const running = await idOf();
    await until(async () => ((await inspectQueue(infer, 'scans')).active === 1 ? true : undefined));
    const [first, second, urgent] = [await idOf(), await idOf(), await idOf('-p', '9')];
    const last = await submit();
    expect([last.exitCode, last.stderr]).toEqual([
      0,
      '1 more urgent job (priority up to 9) and 2 of its own priority are first; its start cannot be estimated: its workers have not ended a job yet\n',
    ]);
    const { id } = last.json<{ id: string }>();
    const told = {
      position: { jobsAhead: 3, rowsAheadEstimate: 3 },
      eta: null,
      noEta: { code: 'LEARNING', text: expect.any(String), fix: null },
      why: { code: 'AHEAD_MORE_URGENT', text: expect.any(String), fix: null },
    };
    expect(await result(id)).toMatchObject({ state: 'waiting', ...told });
    expect(await job(id)).toMatchObject({ state: 'waiting', ...told });
    expect((await job(second)).position?.jobsAhead).toBe(2);
    expect((await job(first)).why?.code).toBe('AHEAD_MORE_URGENT');
    // Nothing is ahead of it but the run that is on.
    const next = await job(urgent);
    expect(next).toMatchObject({ position: { jobsAhead: 0 }, why: { code: 'WORKERS_BUSY', fix: null } });
    expect(next.why?.text).toMatch(/^it is next: gpu-a has been running slow for /);
    expect((await job(running)).why).toBeUndefined();
    expect((await result(running)).why).toBeUndefined();

    writeFileSync(gate, '');
    for (const one of [running, first, second, urgent, id]) {
      const ended = await infer.run(['result', one, '--wait', '--json']);
      expect(ended.json()).toMatchObject({ state: 'completed' });
    }
    expect((await result(id)).position).toBeUndefined();
  });

  it('of a paused queue: a warning with the command, also with --quiet', async () => {
    await infer.run(['control', 'pause', 'scans']);
    const run = await submit('--quiet');
    expect(run.stderr).toBe(
      'Warning: queue scans is paused; the job waits. Try: infer control resume scans\n',
    );
    const { id } = run.json<{ id: string }>();
    const shown = await infer.run(['inspect', 'job', id]);
    expect(shown.stdout).toMatch(/^position\W+next in its queue$/m);
    expect(shown.stdout).toMatch(/^why\W+queue scans is paused$/m);
    expect(shown.stdout).toMatch(/^try\W+infer control resume scans$/m);
    await infer.run(['control', 'resume', 'scans']);
    expect((await infer.run(['result', id, '--wait', '--json'])).json()).toMatchObject({
      state: 'completed',
    });
  });

  it('with a delay: nothing is said but what will be in its way', async () => {
    const delayed = await submit('--delay', '1h');
    expect(delayed.stderr).toBe('');
    const { id } = delayed.json<{ id: string }>();
    expect(await result(id)).toMatchObject({ state: 'delayed', position: null, why: { code: 'DELAYED' } });
    const nowhere = await submitTo('nowhere', '--delay', '1h');
    expect(nowhere.stderr).toBe(
      'Warning: no worker serves queue nowhere now; the job waits. Try: infer worker -Q nowhere\n',
    );
    await infer.run(['cancel', id]);
    await infer.run(['cancel', nowhere.json<{ id: string }>().id]);
  });
});

describe('the ETA of a steady queue', () => {
  interface Run {
    predicted: { id: string; at: number; start: number; p90: number; ahead: number; basis: string }[];
    /** When each started, ms since the epoch. */
    started: Record<string, number>;
    compared: { within: Record<string, number> }[];
  }

  beforeAll(async () => {
    const handler = { handler: './h.mjs', batchable: false };
    writeModel(models, 'steady', doubler(), handler, { files: { 'h.mjs': TWENTY_MS } });
    await infer.worker(['-Q', 'steady', '--models', models, '-m', 'steady', '--name', 'gpu-b']);
  });

  it('is in order, near the truth of the same run, and its error is counted', async () => {
    const { exitCode, stdout, stderr } = await infer.script(`
      import { InferClient } from 'infer-queue';
      const infer = await InferClient.connect();
      const row = { x: [1, 2, 3, 4] };
      const options = { model: 'steady', queue: 'steady' };
      // What is measured: some jobs that wait for one another.
      const before = await Promise.all(Array.from({ length: 40 }, () => infer.submit(row, options)));
      for (const { id } of before) await infer.wait(id);
      const submitted = Date.now();
      const jobs = await Promise.all(Array.from({ length: 120 }, () => infer.submit(row, options)));
      const predicted = [];
      for (const { id } of [jobs[60], jobs[90], jobs[119]]) {
        const place = await infer.place(id);
        const { startMs, basis } = place.eta;
        predicted.push({ id, at: Date.now(), start: startMs.p50, p90: startMs.p90, ahead: place.position.jobsAhead, basis });
      }
      const started = {};
      for (const { id } of jobs) {
        const { timing } = await infer.wait(id);
        started[id] = submitted + timing.queueMs;
      }
      const compared = infer.etaErrors.figures;
      await infer.close();
      console.log(JSON.stringify({ predicted, started, compared }));
    `);
    expect([exitCode, stderr]).toEqual([0, '']);
    const { predicted, started, compared } = JSON.parse(String(stdout)) as Run;
    const [early, middle, late] = predicted;
    if (early === undefined || middle === undefined || late === undefined) throw new Error('no ETA');
    expect(early.at + early.start).toBeLessThan(middle.at + middle.start);
    expect(middle.at + middle.start).toBeLessThan(late.at + late.start);
    for (const { id, at, start, p90, ahead, basis } of predicted) {
      expect(basis).toMatch(/over \d+ s, 1 worker$/);
      expect(p90).toBeGreaterThanOrEqual(start);
      expect(ahead).toBeGreaterThan(0);
      // On a machine that others slow down, both the figure and the truth are late.
      const truth = (started[id] as number) - at;
      expect(start / truth).toBeGreaterThan(1 / 4);
      expect(start / truth).toBeLessThan(4);
    }
    const scored = compared
      .flatMap(({ within }) => Object.values(within))
      .reduce((sum, jobs) => sum + jobs, 0);
    expect(scored).toBe(3);
  });
});
