import { expect } from 'vitest';
import type { Sandbox } from '../../support/cli.js';
import { digitLines, ONE_DIGIT } from '../../support/digits.js';

type Env = Record<string, string>;

export interface RoadEnv {
  /** Of `submit`, `result` and the program that cancels. */
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
 * The whole way of work with the built binary, beside a worker of `realtime` and `batch`: a row, a
 * group, their results, a job cancelled while it waits, and what `inspect` says of it all.
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
  expect(await queueOf(infer, inspector, UNSERVED)).toMatchObject({ waiting: 1 });
  await cancel(infer, env, waiting.json<{ id: string }>().id);
  expect(await queueOf(infer, inspector, UNSERVED)).toMatchObject({ waiting: 0 });
  expect(await queueOf(infer, inspector, 'realtime')).toMatchObject({ waiting: 0, completed: 1 });
}

async function queueOf(infer: Sandbox, env: Env, name: string): Promise<QueueJson | undefined> {
  const run = await infer.run(['inspect', '--json'], { env });
  const overview = run.json<{ queues: QueueJson[]; workers: unknown[] }>();
  expect(overview.workers).toHaveLength(1);
  return overview.queues.find((queue) => queue.name === name);
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
