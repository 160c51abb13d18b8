import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { times, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

interface Job {
  id: string;
  state: string;
  worker: string;
  result?: { y: number[] };
}

const ROW = { stdin: '{"x":[1,1,1,1]}' };

describe('workers of one queue that serve different models', () => {
  it('get only jobs of their models; jobs of unserved models wait, and every command says so', async () => {
    const models = path.join(infer.dir, 'models');
    writeModel(models, 'two', times(2));
    writeModel(models, 'three', times(3));
    writeModel(models, 'five', times(5));
    const submit = (model: string, ...more: string[]) =>
      infer.run(['submit', '-', '-Q', 'mixed', '-m', model, '--models', models, '--json', ...more], ROW);
    // The most urgent job: no worker may get stuck on it.
    await infer.worker(['-Q', 'mixed', '--models', models, '-m', 'two', '--name', 'two']);
    const alone = await submit('five', '--priority', '9');
    expect(alone.stderr).toMatch(
      /^Warning: no worker of queue mixed serves model five now; the job waits\. Try: infer worker -Q mixed --model five\n$/,
    );
    await infer.worker(['-Q', 'mixed', '--models', models, '-m', 'three', '--name', 'three']);
    const answers = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const model = i % 2 === 0 ? 'two' : 'three';
        const run = await submit(model, '--wait', '--retries', '0');
        expect(run.exitCode, run.stderr).toBe(0);
        return run.json<Job>();
      }),
    );
    for (const [i, { state, result, worker }] of answers.entries()) {
      const [name, y] = i % 2 === 0 ? ['two', 2] : ['three', 3];
      expect([state, worker, result?.y[0]]).toEqual(['completed', name, y]);
    }

    expect(await inspectQueue(infer, 'mixed')).toMatchObject({ waiting: 1, active: 0, failed: 0 });
    const { problems } = await inspect(infer);
    expect(problems.filter(({ code }) => code === 'MODEL_NO_WORKER')).toEqual([
      {
        code: 'MODEL_NO_WORKER',
        message: '1 job of queue mixed waits for model five, which no worker of it serves',
        fix: 'infer worker -Q mixed --model five',
      },
    ]);
    expect(problems.map(({ code }) => code)).not.toContain('WORKERS_IDLE');
    const doctor = await infer.run(['doctor', 'queues', '--json']);
    expect(
      doctor.json<{ checks: { id: string }[] }>().checks.find(({ id }) => id === 'queue-served'),
    ).toMatchObject({ status: 'fail', fix: 'infer worker -Q mixed --model five' });
    const { id } = alone.json<Job>();
    const job = await infer.run(['inspect', 'job', id]);
    expect(job.stdout).toContain('no worker of queue mixed serves model five now');

    // Once loaded into a running worker, it is served at once.
    await infer.run(['control', 'load', 'three', 'five']);
    const done = await infer.run(['result', id, '--wait', '--json']);
    expect(done.json<Job>()).toMatchObject({
      state: 'completed',
      worker: 'three',
      result: { y: [5, 5, 5, 5] },
    });
    await until(async () =>
      (await inspect(infer)).problems.some(({ code }) => code === 'MODEL_NO_WORKER') ? undefined : true,
    );
  }, 120_000);

  it('run a job pinned to a version only where it is served, and an unpinned job on any worker', async () => {
    const models = path.join(infer.dir, 'versions');
    writeModel(models, 'm', times(10));
    const start = (name: string) =>
      infer.worker(['-Q', 'rolling', '--models', models, '-m', 'm', '--name', name]);
    await start('old');
    writeModel(models, 'm', times(20), undefined, { version: 2 });
    await start('new');
    const submit = (model: string, ...more: string[]) =>
      infer.run(['submit', '-', '-Q', 'rolling', '-m', model, '--json', ...more], ROW);
    for (const [model, worker, y] of [
      ['m@1', 'old', 10],
      ['m@2', 'new', 20],
      ['m@1', 'old', 10],
      ['m@2', 'new', 20],
    ] as const) {
      const run = await submit(model, '--wait');
      expect(run.json<Job>(), run.stderr).toMatchObject({
        state: 'completed',
        worker,
        result: { y: [y, y, y, y] },
      });
    }
    expect((await submit('m', '--wait')).json<Job>().state).toBe('completed');
    const none = await submit('m@3');
    expect(none.exitCode).toBe(66);
    expect(none.json()).toMatchObject({
      error: {
        message: "no worker has loaded version 3 of model 'm'",
        hint: 'loaded: m@2, m@1; infer control load WORKER m@3 loads it',
      },
    });

    // The last worker of version 1 is updated: jobs for it wait, and that is reported.
    await infer.run(['control', 'load', 'old', 'm']);
    const late = await submit('m@1');
    expect(late.stderr).toMatch(
      /no worker of queue rolling serves model m@1 now; the job waits\. Try: infer control load (old|new) m@1$/m,
    );
    const { id } = late.json<Job>();
    const problem = await until(async () =>
      (await inspect(infer)).problems.find(({ code }) => code === 'MODEL_NO_WORKER'),
    );
    expect(problem.message).toBe('1 job of queue rolling waits for model m@1, which no worker of it serves');
    expect(problem.fix).toMatch(/^infer control load (old|new) m@1$/);
    expect((await infer.run(['inspect', 'job', id])).stdout).toMatch(/model +m@1/);
    await infer.run(['control', 'load', 'new', 'm@1']);
    const done = await infer.run(['result', id, '--wait', '--json']);
    expect(done.json<Job>()).toMatchObject({
      state: 'completed',
      worker: 'new',
      result: { y: [10, 10, 10, 10] },
    });
  }, 120_000);
});
