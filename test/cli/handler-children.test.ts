import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { stateOf } from '../support/process-table.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

/** Starts a process that keeps the runner's output open, such as a helper server of a model. */
const HANDLER = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
export function preprocess(row) {
  const child = spawn('sleep', ['600'], { stdio: 'inherit' });
  writeFileSync(row.file, String(child.pid));
  if (row.end === true) process.exit(3);
  return { x: [1, 2, 3, 4] };
}`;

beforeAll(() => {
  writeModel(
    path.join(infer.dir, 'models'),
    'parent',
    doubler(),
    { handler: './handler.mjs' },
    { files: { 'handler.mjs': HANDLER } },
  );
});

/** A worker that ran one job; returns the pid of the process that its handler started. */
async function workerWithChild(name: string, row: object = {}) {
  const models = path.join(infer.dir, 'models');
  const worker = await infer.worker(['--models', models, '-m', 'parent']);
  const file = path.join(infer.dir, name);
  const input = infer.file(`${name}.json`, JSON.stringify({ file, ...row }));
  const run = await infer.run([
    'submit',
    input,
    '-m',
    'parent',
    '--wait',
    '60s',
    '--retries',
    '0',
    '--models',
    models,
  ]);
  return { worker, run, child: Number(readFileSync(file, 'utf8')) };
}

const gone = (pid: number) => until(async () => ([undefined, 'Z'].includes(stateOf(pid)) ? true : undefined));

describe("a process started by a model's handler", () => {
  it('does not keep the worker from ending, and ends with it', async () => {
    const { worker, run, child } = await workerWithChild('drained');
    expect([run.exitCode, stateOf(child)]).toEqual([0, 'S']);
    expect(await worker.stop()).toBe(0);
    await gone(child);
  });

  it('ends when its runner dies', async () => {
    const { worker, run, child } = await workerWithChild('crashed', { end: true });
    expect(run.exitCode).toBe(1);
    await gone(child);
    await worker.stop();
  });

  it('ends when the worker is killed', async () => {
    const { worker, child } = await workerWithChild('killed');
    worker.signal('SIGKILL');
    await gone(child);
    await worker.stop();
  });
});
