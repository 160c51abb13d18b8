import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { exposedValue, parseExposition } from '../support/exposition.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const THROWS = `export function preprocess() { throw new Error('no such word'); }`;

/** One queue, two models: `good` ran three rows, `bad` failed once. */
beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'good', doubler());
  writeModel(models, 'bad', doubler(), { handler: './h.mjs' }, { files: { 'h.mjs': THROWS } });
  await infer.worker(['--models', models, '-Q', 'work']);
  const rows = { stdin: '[[1,2,3,4],[1,2,3,4],[1,2,3,4]]' };
  const good = await infer.run(['submit', '-', '-m', 'good', '-Q', 'work', '--wait'], rows);
  expect(good.exitCode, good.stderr).toBe(0);
  const bad = await infer.run(['submit', '-', '-m', 'bad', '-Q', 'work', '--wait'], { stdin: '[1,2,3,4]' });
  expect(bad.exitCode, bad.stderr).toBe(1);
}, 120_000);

interface Line {
  queue: string;
  worker: string | null;
  model: string | null;
  over: string;
  rows: number;
  jobs: { completed: number; failed: number };
  failures: Record<string, number>;
}

describe('several models on one queue', () => {
  it('have separate lines in inspect stats --by model, with failures by code', async () => {
    const lines = await until(async () => {
      const run = await infer.run(['inspect', 'stats', '-Q', 'work', '--by', 'model', '--json']);
      const { stats } = run.json<{ stats: Line[] }>();
      const ever = stats.filter(({ over }) => over === 'start');
      return ever[0]?.jobs.failed === 1 && ever[0].rows === 3 ? ever : undefined;
    });
    expect(lines.map(({ queue, worker, model }) => [queue, worker, model])).toEqual([
      ['work', null, null],
      ['work', null, 'bad'],
      ['work', null, 'good'],
    ]);
    expect(lines[0]?.failures).toEqual({ HANDLER_FAILED: 1 });
    expect(lines[1]).toMatchObject({
      rows: 0,
      jobs: { completed: 0, failed: 1 },
      failures: { HANDLER_FAILED: 1 },
    });
    expect(lines[2]).toMatchObject({ rows: 3, jobs: { failed: 0 }, failures: {} });
    const wide = await infer.run(['inspect', 'stats', '-Q', 'work', '--by', 'model', '-o', 'wide']);
    expect(wide.stdout).toMatch(/^QUEUE\tMODEL\t/);
    expect(wide.stdout).toContain('HANDLER_FAILED 1');
    const names = await infer.run(['inspect', 'stats', '-Q', 'work', '--by', 'model', '-o', 'name']);
    expect([...new Set(names.stdout.trim().split('\n'))]).toEqual(['work', 'work/bad', 'work/good']);
  });

  it('have separate metrics', async () => {
    const metrics = await until(async () => {
      const { stdout } = await infer.run(['metrics', '--once', '-Q', 'work']);
      const seen = parseExposition(stdout);
      return exposedValue(seen, 'infer_job_failures_total', { model: 'bad' }) === 1 ? seen : undefined;
    });
    const value = (name: string, model: string, more = {}) =>
      exposedValue(metrics, name, { queue: 'work', model, ...more });
    expect(value('infer_job_failures_total', 'bad', { code: 'HANDLER_FAILED' })).toBe(1);
    expect(value('infer_model_jobs_total', 'bad', { state: 'completed' })).toBe(0);
    expect(value('infer_model_jobs_total', 'bad', { state: 'failed' })).toBe(1);
    expect(value('infer_model_rows_total', 'good')).toBe(3);
    expect(value('infer_model_batch_rows_sum', 'good')).toBe(3);
    expect(value('infer_model_run_seconds_count', 'good')).toBeGreaterThan(0);
  });
});
