import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { says, useInfer } from '../support/cli.js';
import { digitLines, ONE_DIGIT } from '../support/digits.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const BIG = 20_000;
const MICRO_BATCH = 16;
let models = '';

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});

it('jobs run by priority (p9, p1, p0) whatever the order of arrival, and first come first served within one', async () => {
  const priorities = [
    0,
    9,
    1,
    1,
    0,
    9,
    5,
    0,
    9,
    1,
    5,
    0,
    ...Array.from({ length: 48 }, (_, at) => (at * 7) % 10),
  ];
  // Waits on one client resolve in the order in which jobs end.
  const program = infer.script(`
    import { readFileSync } from 'node:fs';
    import { InferClient } from 'infer-queue';
    const infer = await InferClient.connect();
    const pixels = JSON.parse(readFileSync(${JSON.stringify(ONE_DIGIT)}, 'utf8'));
    const ended = [];
    const waits = [];
    let index = 0;
    for (const priority of ${JSON.stringify(priorities)}) {
      const at = index++;
      const { id } = await infer.submit(pixels, { model: 'digits', priority, queue: 'mixed' });
      waits.push(infer.wait(id).then(() => ended.push({ priority, at })));
    }
    console.error('all queued');
    await Promise.all(waits);
    await infer.close();
    console.log(JSON.stringify(ended));
  `);
  await says(program, 'all queued');
  const worker = await infer.worker(['-Q', 'mixed', '--model', 'digits', '--max-batch', '1', '--burst']);
  const { exitCode, stdout, stderr } = await program;
  expect([exitCode, stderr]).toEqual([0, 'all queued\n']);
  const ended = JSON.parse(String(stdout)) as { priority: number; at: number }[];
  const inOrder = priorities
    .map((priority, at) => ({ priority, at }))
    .sort((a, b) => b.priority - a.priority || a.at - b.at);
  expect(ended).toEqual(inOrder);
  expect(await worker.exited).toBe(0);
});

it(`a p9 row overtakes ${BIG} waiting batch rows`, async () => {
  const submitted = await infer.run(['submit', '-', '--quiet', '--model', 'digits'], {
    stdin: digitLines(BIG),
  });
  const group = submitted.stdout.trim();
  const first = await infer.run(['submit', ONE_DIGIT, '--quiet', '-p', '9', '--model', 'digits']);
  // Before the worker starts, and repeatedly while it processes the group.
  const program = infer.script(`
    import { readFileSync } from 'node:fs';
    import { InferClient } from 'infer-queue';
    const infer = await InferClient.connect();
    const pixels = JSON.parse(readFileSync(${JSON.stringify(ONE_DIGIT)}, 'utf8'));
    const rowsDone = async () => (await infer.group('${group}')).rowsDone;
    const seen = [];
    const early = infer.wait('${first.stdout.trim()}');
    console.error('waiting');
    await early;
    seen.push({ before: 0, after: await rowsDone() });
    for (let time = 0; time < 5; time++) {
      const before = await rowsDone();
      const { state } = await infer.run(pixels, { model: 'digits', priority: 9 });
      seen.push({ state, before, after: await rowsDone() });
    }
    const { state, rows } = await infer.waitGroup('${group}');
    await infer.close();
    console.log(JSON.stringify({ seen, state, rows }));
  `);
  await says(program, 'waiting');
  await infer.worker(['-Q', 'realtime,batch', '--model', 'digits', '--max-batch', String(MICRO_BATCH)]);
  const { exitCode, stdout, stderr } = await program;
  expect([exitCode, stderr]).toEqual([0, 'waiting\n']);
  const { seen, state, rows } = JSON.parse(String(stdout)) as {
    seen: { before: number; after: number }[];
    state: string;
    rows: number;
  };
  expect([state, rows]).toEqual(['completed', BIG]);
  expect(seen).toHaveLength(6);
  // A tenth of the group at most, although the figures lag by a few round trips.
  for (const { before, after } of seen) expect(after - before).toBeLessThan(BIG / 10);
  expect(seen.at(-1)?.after).toBeLessThan(BIG);
});

it('a p9 row overtakes a running p0 backlog in the same queue after one run at most', async () => {
  await infer.worker(['-Q', 'backlog', '--models', models, '--model', 'slow', '--max-batch', '1']);
  const program = infer.script(`
    import { InferClient } from 'infer-queue';
    const infer = await InferClient.connect();
    const options = { model: 'slow', queue: 'backlog' };
    const input = { x: [1, 2], turns: [20] };
    let ends = 0;
    const signal = { next: undefined };
    const backlog = Array.from({ length: 30 }, () =>
      infer.run(input, { ...options, priority: 0 }).then((result) => {
        ends += 1;
        signal.next?.();
        return result;
      }));
    const urgent = [];
    for (let time = 0; time < 4; time++) {
      await new Promise((resolve) => { signal.next = resolve; });
      const { id } = await infer.submit(input, { ...options, priority: 9 });
      const before = ends;
      const { timing } = await infer.wait(id);
      urgent.push({ queueMs: timing.queueMs, passed: ends - before });
    }
    const runs = (await Promise.all(backlog)).map((result) => result.timing.runMs);
    await infer.close();
    console.log(JSON.stringify({ urgent, longest: Math.max(...runs), runs: runs.length }));
  `);
  const { exitCode, stdout, stderr } = await program;
  expect([exitCode, stderr]).toEqual([0, '']);
  const { urgent, longest, runs } = JSON.parse(String(stdout)) as {
    urgent: { queueMs: number; passed: number }[];
    longest: number;
    runs: number;
  };
  expect(runs).toBe(30);
  for (const { queueMs, passed } of urgent) {
    // The run in progress when it arrived, and none after it.
    expect(passed).toBeLessThanOrEqual(1);
    expect(queueMs).toBeLessThan(longest * 5 + 250);
  }
});
