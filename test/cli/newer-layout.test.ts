import path from 'node:path';
import { expect, it } from 'vitest';
import { GroupWriter } from '../../src/lib/client/group-writer.js';
import { systemClock } from '../../src/lib/core/clock.js';
import { encodeEnvelope } from '../../src/lib/model/envelope.js';
import { Producer } from '../../src/lib/queue/broker/producer.js';
import { bullBase } from '../../src/lib/queue/keys.js';
import { LAYOUTS, markedRoute, markOf, newestOf } from '../../src/lib/queue/layout.js';
import { until, useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const NEXT = { number: newestOf(LAYOUTS).number + 1, since: '9.8.0' };

const redis = useRedis();
const infer = useInfer(redis);

it('worker, inspect, result and cancel name the upgrade that a job of a newer release needs', async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'double', doubler(2));
  const producer = new Producer(await redis.client(), 'infer', systemClock, [...LAYOUTS, NEXT]);
  const data = new Uint8Array(Float32Array.from([1, 2]).buffer);
  const input = encodeEnvelope({ rows: 1, tensors: [{ name: 'x', type: 'float32', shape: [2], data }] });
  const spec = { id: 'newer', queue: 'realtime', model: 'double', rows: 1, priority: 9, resultTtl: 60 };
  await producer.registerQueue('realtime');
  await producer.submit('realtime', [{ spec, input }], false);
  await producer.close();

  const env = { INFER_MODELS_DIR: models };
  const upgrade = 'start a worker of infer 9.8.0 or newer: infer worker -Q realtime';
  const alone = (await infer.run(['inspect', '--json'])).json<{
    problems: { code: string; fix: string }[];
  }>();
  expect(alone.problems.find(({ code }) => code === 'NO_WORKERS')?.fix).toBe(upgrade);
  expect((await infer.run(['doctor', 'queues'])).stdout).toContain(upgrade);
  expect((await infer.run(['inspect', 'job', 'newer', '--json'])).json()).toMatchObject({
    why: { code: 'NO_WORKER', text: expect.stringContaining('infer 9.8.0 or newer'), fix: upgrade },
  });
  const listed = await infer.run(['inspect', 'jobs']);
  expect(listed.stdout).toMatch(/\tNEEDS\n.*\tinfer 9\.8\.0\n/);
  expect((await infer.run(['inspect', 'jobs', '--json'])).json()).toMatchObject({
    jobs: [{ id: 'newer', newer: NEXT }],
  });
  const worker = await infer.worker(['-Q', 'realtime'], { env });
  await worker.said(/newer infer[\s\S]*9\.8\.0|9\.8\.0[\s\S]*newer infer/);
  const done = await infer.run(
    ['submit', infer.file('row.json', '[3, 4]'), '--model', 'double', '--wait', '--json'],
    { env },
  );
  expect(done.json()).toMatchObject({ state: 'completed', result: { y: [7, 9] } });

  const problem = await until(async () => {
    const { problems } = (await infer.run(['inspect', '--json'])).json<{
      problems: { message: string; fix: string }[];
    }>();
    return problems.find(({ message }) => message.includes('9.8.0'));
  });
  expect(problem).toMatchObject({
    message:
      '1 job of queue realtime waits for model double in a worker of infer 9.8.0 or newer, and no worker of it is that',
    fix: 'upgrade the workers of queue realtime to infer 9.8.0 or newer',
  });
  for (const args of [
    ['result', 'newer'],
    ['cancel', 'newer'],
  ]) {
    const refused = await infer.run(args);
    expect(refused.exitCode).toBe(69);
    expect(refused.stderr).toMatch(/infer 9\.8\.0 or newer/);
    expect(refused.stderr).toMatch(/upgrade infer here/);
  }
  const shown = await infer.run(['inspect', 'job', 'newer']);
  expect(shown.stdout).toMatch(/infer 9\.8\.0 or newer/);
  const job = (await infer.run(['inspect', 'job', 'newer', '--json'])).json<{
    state: string;
    attempts: number;
  }>();
  expect(job).toMatchObject({ state: 'waiting', attempts: 0, model: 'double', priority: 9 });
  expect(await worker.stop()).toBe(0);
});

it('cancel of a group and purge report how many jobs of a newer release they leave alone', async () => {
  const client = await redis.client();
  const producer = new Producer(client, 'infer', systemClock);
  const spec = { queue: 'left', model: 'double', rows: 0, priority: 0, resultTtl: 60 };
  await producer.registerQueue('left');
  const writer = await GroupWriter.open(producer, { ...spec, id: 'mixed' });
  for (let n = 0; n < 3; n++) await writer.write({ rows: 1, tensors: [] });
  await writer.close();
  await producer.close();
  await client.hset(
    `${bullBase('infer', 'left')}mixed-1`,
    'name',
    `${markedRoute('double', markOf(NEXT))}#1`,
  );

  const first = await infer.run(['cancel', 'mixed']);
  expect(first).toMatchObject({ exitCode: 3, stdout: 'mixed 2 jobs cancelled or being stopped\n' });
  expect(first.stderr).toContain('1 job of a newer infer left alone: upgrade infer here to 9.8.0 or newer');
  const again = await infer.run(['cancel', 'mixed', '--json']);
  expect(again.exitCode).toBe(69);
  expect(again.json()).toMatchObject({ error: { code: 'LAYOUT_NEWER' } });

  const purge = (...words: string[]) => infer.run(['control', 'purge', 'left', ...words, '--json']);
  const seen = await purge('--dry-run');
  expect(seen).toMatchObject({ exitCode: 0 });
  expect(seen.json()).toEqual({ dryRun: true, queue: 'left', jobs: { waiting: 0, delayed: 0 }, newer: 1 });
  const done = await purge('--yes');
  expect(done).toMatchObject({ exitCode: 1 });
  expect(done.json()).toEqual({ dryRun: false, queue: 'left', jobs: { waiting: 0, delayed: 0 }, newer: 1 });
});
