import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { useInfer } from '../support/cli.js';
import { type Graph, scores, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

/** Which outputs a result has, from the flags, the library and model.json to what is stored. */
const redis = useRedis();
const infer = useInfer(redis);

/** `logits` = x, `double` = x + x; float32 [batch, 4]. */
const two: Graph = {
  nodes: [
    { op: 'Identity', inputs: ['x'], outputs: ['logits'] },
    { op: 'Add', inputs: ['x', 'x'], outputs: ['double'] },
  ],
  inputs: [{ name: 'x', type: 'float32', dims: ['batch', 4] }],
  outputs: ['logits', 'double'].map((name) => ({ name, type: 'float32' as const, dims: ['batch', 4] })),
};

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'two', two, { labels: ['a', 'b', 'c', 'd'] });
  writeModel(models, 'short', two, { outputs: ['logits'], topK: 2 });
  writeModel(models, 'classes', scores(3), { task: 'classification', labels: ['x', 'y', 'z'] });
  const names = ['two', 'short', 'classes'].flatMap((name) => ['--model', name]);
  await infer.worker(['--models', models, '-Q', 'realtime,batch', ...names]);
});

const submit = (model: string, flags: string[], input = '[3, 1, 4, 1]') =>
  infer.run(['submit', '-', '--model', model, '--wait', ...flags], { stdin: input });

describe('a submit that chooses outputs', () => {
  it.each<[string, string[], unknown]>([
    ['two', ['--outputs', 'double'], { double: [6, 2, 8, 2] }],
    ['two', ['--argmax', 'logits,double'], { logits_argmax: 2, double_argmax: 2 }],
    [
      'two',
      ['--outputs', 'double', '--top-k', 'logits=2'],
      { logits_scores: [4, 3], logits_indexes: [2, 0], logits_labels: ['c', 'a'], double: [6, 2, 8, 2] },
    ],
    ['short', [], { logits_scores: [4, 3], logits_indexes: [2, 0] }],
    ['short', ['--outputs', '*'], { logits: [3, 1, 4, 1], double: [6, 2, 8, 2] }],
  ])('%s %j', async (model, flags, result) => {
    const { exitCode, stdout } = await submit(model, flags);
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, result]);
  });

  it('of a classification has the best classes next to the one', async () => {
    const row = '[0, 2, 1]';
    const { result } = (await submit('classes', ['--top-k', '2', '--json'], row)).json<{ result: object }>();
    expect(result).toMatchObject({
      class: 1,
      label: 'y',
      top_class: [1, 2],
      top_label: ['y', 'z'],
      top_confidence: [expect.closeTo(0.665, 3), expect.closeTo(0.245, 3)],
      device: 'cpu',
    });
    expect((await submit('classes', ['--outputs', 'label'], row)).json()).toEqual({
      label: 'y',
      device: 'cpu',
    });
  });

  it.each<[string[], string]>([
    [['--outputs', 'logit'], "did you mean 'logits'?"],
    [['--top-k', '3'], 'name the output: --top-k logits=5'],
    [['--top-k', 'three'], 'write 5, or logits=5 for an output'],
    [['--argmax', 'x'], 'infer models lists the outputs'],
  ])('is refused before anything is queued, with the fix: %j', async (flags, hint) => {
    const refused = await submit('two', flags);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr.replace(/\s+/g, ' ')).toContain(hint);
  });

  it('of many rows applies to each, and stores nothing else', async () => {
    const rows = Array.from({ length: 600 }, (_, i) => `[${i % 4 === 0 ? 9 : 0}, 1, ${i}, 0]\n`).join('');
    const { group } = (
      await submit('two', ['--argmax', 'logits', '--outputs', 'logits', '--json'], rows)
    ).json<{
      group: string;
    }>();
    const lines = (await infer.run(['result', group])).rows();
    expect(lines).toEqual(
      Array.from({ length: 600 }, (_, i) => ({
        logits_argmax: i > (i % 4 === 0 ? 9 : 1) ? 2 : i % 4 === 0 ? 0 : 1,
      })),
    );
  });
});

it('jobs that ask for different outputs share a run, and each gets its own', async () => {
  const client = await InferClient.connect({ redis: redis.url });
  try {
    const wishes = [
      { outputs: ['double'] },
      { argmax: 'logits', outputs: ['logits'] },
      {},
      { topK: { double: 1 }, outputs: ['double'] },
    ] as const;
    await infer.run(['control', 'pause', 'batch', '--yes']);
    const jobs = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        client.submit([i, 2, 0, 1], { model: 'two', queue: 'batch', ...wishes[i % 4] }),
      ),
    );
    await infer.run(['control', 'resume', 'batch', '--yes']);
    const results = await Promise.all(jobs.map(({ id }) => client.wait(id, { timeoutMs: 30_000 })));
    const best = (i: number) => (i >= 2 ? 0 : 1);
    for (const [i, { result }] of results.entries()) {
      const double = [2 * i, 4, 0, 2];
      expect(result).toEqual(
        [
          { double },
          { logits_argmax: best(i) },
          { logits: [i, 2, 0, 1], double },
          {
            double_scores: [Math.max(...double)],
            double_indexes: [best(i)],
            double_labels: [best(i) ? 'b' : 'a'],
          },
        ][i % 4],
      );
    }
    await expect(client.submit([1, 2, 3, 4], { model: 'two', outputs: ['none'] })).rejects.toMatchObject({
      code: 'OUTPUT_UNKNOWN',
    });
  } finally {
    await client.close();
  }
});
