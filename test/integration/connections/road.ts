import { expect } from 'vitest';
import type { Sandbox } from '../../support/cli.js';
import { digitLines, ONE_DIGIT } from '../../support/digits.js';

type Env = Record<string, string>;

export interface RoadEnv {
  /** Of `submit`, `result` and the cancelling program. */
  producer: Env;
  /** Of `inspect` [the producer's]. */
  inspector?: Env;
}

interface QueueJson {
  name: string;
  waiting: number;
  completed: number;
}

const GROUP_ROWS = 600;
/** No worker of these tests serves it. */
const UNSERVED = 'unserved';

/**
 * The complete path of work with the built binary, next to a worker of `realtime` and `batch`: a row, a group, their
 * results, a job cancelled while waiting, and what `inspect` reports.
 */
export async function walkTheRoad(
  infer: Sandbox,
  { producer: env, inspector = env }: RoadEnv,
): Promise<void> {
  const one = await infer.run(['submit', ONE_DIGIT, '--wait', '--json'], { env });
  expect(one.stderr).toBe('');
  expect(one.json()).toMatchObject({ state: 'completed', result: { class: 2 } });

  const rows = infer.file('rows.ndjson', digitLines(GROUP_ROWS));
  const group = await infer.run(['submit', rows, '--wait', '--json'], { env });
  expect(group.stderr).toBe('');
  const { group: id } = group.json<{ group: string }>();
  expect(group.json()).toMatchObject({ state: 'completed', queue: 'batch', rowsDone: GROUP_ROWS });
  const result = await infer.run(['result', id], { env });
  expect(result.exitCode).toBe(0);
  expect(result.rows()).toHaveLength(GROUP_ROWS);
  expect(result.rows()[0]).toMatchObject({ class: 2 });

  const waiting = await infer.run(['submit', ONE_DIGIT, '-Q', UNSERVED, '--json'], { env });
  const inspected = await infer.run(['inspect', '--json'], { env: inspector });
  const { queues, workers } = inspected.json<{ queues: QueueJson[]; workers: unknown[] }>();
  expect(workers).toHaveLength(1);
  expect(queues.find(({ name }) => name === UNSERVED)).toMatchObject({ waiting: 1 });
  expect(queues.find(({ name }) => name === 'realtime')).toMatchObject({ waiting: 0, completed: 1 });
  const stats = await infer.run(['inspect', 'stats', '--json'], { env: inspector });
  expect([stats.exitCode, stats.stderr]).toEqual([0, '']);
  expect(stats.json().stats).toContainEqual(expect.objectContaining({ queue: 'batch', over: 'start' }));
  await cancel(infer, env, waiting.json<{ id: string }>().id);
}

/** Through the library, as a program would. */
async function cancel(infer: Sandbox, env: Env, id: string): Promise<void> {
  const program = `import { InferClient } from 'infer-queue';
    const client = await InferClient.connect();
    console.log(await client.cancel('${id}'), (await client.result('${id}')).state);
    await client.close();`;
  const { stdout, stderr } = await infer.script(program, { env });
  expect(`${stdout}${stderr}`).toBe('cancelled cancelled\n');
}

/** Submits rows one after another to QUEUE; prints `[jobs, states]` when told to end, after a job it is waiting for. */
export const SUBMITTER = `import { InferClient } from 'infer-queue';
  const row = JSON.parse(process.env.ROW), states = new Set();
  let jobs = 0, over = false;
  process.on('SIGTERM', () => { over = true; });
  const client = await InferClient.connect();
  while (!over) {
    const result = await client.run(row, { queue: process.env.QUEUE });
    states.add(result.state);
    if (jobs++ === 0) console.log('first');
  }
  await client.close();
  console.log(JSON.stringify([jobs, [...states]]));`;
