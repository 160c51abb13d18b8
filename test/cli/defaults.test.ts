import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { withState, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let models = '';

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'voice', withState(), { inputs: { state: { default: 1 }, sr: { default: 4 } } });
  await infer.worker(['--models', models, '-Q', 'batch,realtime']);
});

it('infer models shows the defaults of inputs', async () => {
  const table = await infer.run(['models', '--models', models]);
  expect(table.stdout).toContain('state float32[2,batch,2] = 1');
  expect(table.stdout).toContain('sr int64[] = 4');
  expect((await infer.run(['models', '--models', models, '--json'])).stdout).toContain('"default": 4');
});

it.each([
  ['a bare row', '[1, 2]', { y: [5, 6] }],
  ['an object without them', '{"x": [1, 2]}', { y: [5, 6] }],
  ['one of them given', '{"x": [1, 2], "sr": 0}', { y: [1, 2] }],
])('submit fills in defaults for %s', async (_, stdin, answer) => {
  const run = await infer.run(['submit', '-', '--wait'], { stdin });
  expect([run.exitCode, run.stderr]).toEqual([0, expect.not.stringContaining('Error')]);
  expect(JSON.parse(run.stdout)).toEqual(answer);
});
