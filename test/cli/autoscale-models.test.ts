import path from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { type Started, until, useInfer } from '../support/cli.js';
import { doubler, times, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const started: Started[] = [];
let mine: string;
let theirs: string;

interface Decision {
  reason: string;
  started: string[];
  workers: { name: string; state: string }[];
}

beforeAll(() => {
  mine = path.join(infer.dir, 'mine');
  theirs = path.join(infer.dir, 'theirs');
  writeModel(mine, 'double', doubler(2));
  writeModel(theirs, 'triple', times(3, 2));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGTERM');
    await child;
  }
  await infer.run(['workers', 'stop', '--all', '--force']);
});

const submit = (models: string, model: string, row: string, ...more: string[]) =>
  infer.run(['submit', '-', '-Q', 'q', '--models', models, '--model', model, ...more], { stdin: row });

it('starts a worker for a model that other workers of the queue lack, but not for one that its own workers lack', async () => {
  const byHand = await infer.worker(['-Q', 'q', '--models', theirs]);
  const child = infer.start([
    ...['autoscale', '--json', '--verbose', '--interval', '200ms', '-Q', 'q'],
    ...['--min', '0', '--max', '1', '--gpus', 'none', '--', '--models', mine],
  ]);
  started.push(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const decisions = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Decision);
  const said = (what: (decision: Decision) => boolean) => until(async () => decisions().find(what));
  await said((one) => one.started.length === 0);
  const done = await submit(mine, 'double', '[3, 4]', '--wait', '--json');
  expect(done.json()).toMatchObject({ state: 'completed' });
  expect((await said((one) => one.started.length > 0)).started).toEqual(['autoscaled-1']);

  // The worker with this model exits: no worker of the autoscaler would serve it.
  await said((one) => one.workers.some(({ state }) => state === 'ready'));
  expect(await byHand.stop()).toBe(0);
  expect((await submit(theirs, 'triple', '[1, 2]', '--quiet')).exitCode).toBe(0);
  const { reason } = await said((one) => one.reason.includes('model triple'));
  expect(reason).toMatch(
    /; 1 job of queue q waits for model triple, which new workers would not serve either: infer worker -Q q --model triple$/,
  );
  expect(decisions().flatMap((one) => one.started)).toEqual(['autoscaled-1']);
});
