import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { bullBase } from '../../src/lib/queue/keys.js';
import { samplePool } from '../../src/lib/queue/read/sample.js';
import { until, useInfer } from '../support/cli.js';
import { doubler, times, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

/** A row runs until the gate file exists. */
const gated = (gate: string) => `
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
export async function preprocess(row) {
  while (!existsSync(${JSON.stringify(gate)})) await delay(20);
  return { x: row.x };
}`;

it('a worker does not prefetch jobs of a slow model while another worker is idle', async () => {
  const models = path.join(infer.dir, 'models');
  const gate = path.join(infer.dir, 'open');
  writeModel(
    models,
    'long',
    doubler(),
    { handler: './h.mjs', batchable: false },
    { files: { 'h.mjs': gated(gate) } },
  );
  writeModel(models, 'quick', times(3));
  const worker = (name: string) =>
    infer.worker(['-Q', 'shared', '--models', models, '--name', name, '--max-batch', '64']);
  await worker('first');
  const submit = (model: string, ...more: string[]) =>
    infer.run(['submit', '-', '-Q', 'shared', '-m', model, '--json', ...more], { stdin: '{"x":[1,2,3,4]}' });
  const ids = [];
  for (let job = 0; job < 8; job++) ids.push((await submit('long')).json<{ id: string }>().id);
  const running = async () =>
    (await inspect(infer)).workers.map(({ name, active }) => [name, active.length]).sort();
  await until(async () => ((await inspectQueue(infer, 'shared')).active === 1 ? true : undefined));
  await worker('second');
  // The second gets one of them at once: the first took no more than it runs.
  expect(
    await until(async () => {
      const now = await running();
      return now.every(([, jobs]) => jobs === 1) ? now : undefined;
    }),
  ).toEqual([
    ['first', 1],
    ['second', 1],
  ]);
  const client = await redis.client();
  expect(await client.llen(`${bullBase('infer', 'shared')}active`)).toBe(2);
  expect(await inspectQueue(infer, 'shared')).toMatchObject({ waiting: 6, active: 2 });
  const { stdout } = await infer.run(['metrics', '--once', '-Q', 'shared']);
  expect(stdout).toContain('infer_queue_jobs{queue="shared",state="waiting"} 6');
  const { queues } = await samplePool(client, 'infer', ['shared'], Date.now(), 0);
  expect(queues).toMatchObject([{ waiting: 6, active: 2 }]);

  writeFileSync(gate, '');
  for (const id of ids) {
    const run = await infer.run(['result', id, '--wait', '--json']);
    expect(run.json()).toMatchObject({ state: 'completed', result: { y: [3, 5, 7, 9] } });
  }
}, 120_000);
