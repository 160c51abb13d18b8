import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FiguresJson, Spread } from '../../src/lib/deployment/figures.js';
import type { QueueRow, WorkerRow } from '../../src/lib/deployment/rows.js';
import { aclRules } from '../../src/lib/redis/acl.js';
import type { RedisClient } from '../../src/lib/redis/types.js';
import { completed, FAILURE, failed, META, PREFIX, QueueKit } from '../integration/queue/queue-kit.js';
import { denials, setUser } from '../support/acl.js';
import { until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';
import { openTerminal } from '../support/terminal.js';
import type { TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer();
const at = () => ({ redis: redis.url });
const run = (...args: string[]) => infer.run(['inspect', ...args], at());

describe('infer inspect with jobs in every state', () => {
  let kit: QueueKit;
  let client: RedisClient;
  beforeAll(async () => {
    kit = await QueueKit.open(redis);
    client = kit.client;
    const consumer = await kit.consumer();
    await kit.producer.registerQueue(kit.queue);
    await kit.submit(...Array.from({ length: 7 }, () => ({ priority: 9 })));
    const [a, b, c, d, e] = (await consumer.take(6)) as never[];
    await consumer.settle([
      completed(a as never),
      completed(b as never),
      failed(c as never),
      { kind: 'retry', job: d as never, failure: FAILURE, delayMs: 60_000 },
      { kind: 'expired', job: e as never, failure: FAILURE, meta: META },
    ]);
    await kit.submit({ priority: 0 }, { priority: 0 }, { priority: 4 });
    const [unwanted] = (await kit.submit({ priority: 2 })) as [string];
    await kit.producer.cancel(kit.queue, unwanted);
    await kit.producer.setPaused(kit.queue, true);
  });
  afterAll(() => kit.close());

  /** What Redis holds, read without inspect's commands. */
  async function held() {
    const members = async (key: string) => (await client.zrange(key, '0', '-1')).length;
    const waiting = await client.zrange(`${kit.base}prioritized`, '0', '-1', 'WITHSCORES');
    const byPriority = Array(10).fill(0);
    for (let i = 1; i < waiting.length; i += 2)
      byPriority[10 - Math.floor(Number(waiting[i]) / 2 ** 32)] += 1;
    return {
      waiting: waiting.length / 2,
      active: (await client.lrange(`${kit.base}active`, 0, -1)).length,
      delayed: await members(`${kit.base}delayed`),
      completed: await members(`${kit.base}completed`),
      failed: await members(`${kit.base}failed`),
      expired: await members(`${kit.tag}:expired`),
      cancelled: await members(`${kit.tag}:cancelled`),
      paused: true,
      byPriority,
    };
  }

  it('shows the figures that Redis holds', async () => {
    const figures = await held();
    expect(figures).toMatchObject({ waiting: 4, active: 1, delayed: 1, completed: 2, failed: 1 });
    expect(figures).toMatchObject({ expired: 1, cancelled: 1, byPriority: [2, 0, 0, 0, 1, 0, 0, 0, 0, 1] });
    for (const what of [['--json'], ['queues', '--json']]) {
      const { queues } = (await run(...what, '--prefix', PREFIX)).json<{ queues: QueueRow[] }>();
      expect(queues).toHaveLength(1);
      expect(queues[0]).toMatchObject({ name: kit.queue, ...figures });
      expect(queues[0]?.oldestMs).toBeGreaterThan(0);
    }
    const [row] = (await run('queues', '-o', 'ndjson', '--prefix', PREFIX)).rows<QueueRow>();
    expect(row).toMatchObject(figures);
  });

  it('shows them all in the table, only names with -o name, and nothing for an unknown queue', async () => {
    const { stdout } = await run('queues', '-o', 'wide', '--prefix', PREFIX);
    const [head, line] = stdout.split('\n').map((text) => text.split('\t')) as [string[], string[]];
    const cells = Object.fromEntries(head.map((title, i) => [title, line[i]]));
    expect(cells).toMatchObject({
      QUEUE: `${kit.queue} (paused)`,
      WAITING: '4',
      'BY PRIORITY': '9: 1, 4: 1, 0: 2',
      ACTIVE: '1',
      DELAYED: '1',
      FAILED: '1',
      COMPLETED: '2',
      EXPIRED: '1',
      CANCELLED: '1',
    });
    expect((await run('queues', '-o', 'name', '--prefix', PREFIX)).stdout).toBe(`${kit.queue}\n`);
    const unknown = await run('queues', '-Q', `${kit.queue}x`, '--prefix', PREFIX);
    expect(unknown.exitCode).toBe(66);
    expect(unknown.stderr).toContain(`no queue is called '${kit.queue}x'`);
    expect(unknown.stderr).toContain(`did you mean ${kit.queue}?`);
  });

  it('reports problems with the command that fixes them', async () => {
    const { stdout } = await run('--prefix', PREFIX);
    expect(stdout).toContain(`infer control resume ${kit.queue}`);
  });
});

describe('infer inspect with workers', () => {
  const JOBS = 150;
  let one: TestWorker;
  let two: TestWorker;
  let timings: { queueMs: number; runMs: number; totalMs: number }[];

  beforeAll(async () => {
    one = await infer.worker(['--name', 'one', '-Q', 'realtime,batch', '--max-batch', '8'], at());
    two = await infer.worker(['--name', 'two', '-Q', 'batch'], at());
    const program = `import { InferClient } from 'infer-queue';
      import { readFileSync } from 'node:fs';
      const row = JSON.parse(readFileSync('${ONE_DIGIT}', 'utf8'));
      const client = await InferClient.connect();
      const done = await Promise.all(Array.from({ length: ${JOBS} }, () => client.run(row, { queue: 'batch' })));
      await client.run(row, { queue: 'realtime' });
      await client.close();
      console.log(JSON.stringify(done.map((job) => job.timing)));`;
    const { stdout } = await infer.script(program, { redis: redis.url });
    timings = JSON.parse(String(stdout));
  });

  // A stopped process cannot even exit.
  afterAll(() => two.signal('SIGCONT'));

  /** The rows of `inspect stats`, once the workers have reported all jobs. */
  async function stats() {
    return until(async () => {
      const { stats: rows } = (await run('stats', '--json')).json<{ stats: StatJson[] }>();
      const all = rows.find((row) => row.queue === 'batch' && row.worker === null && row.over === 'start');
      return all?.jobs.completed === JOBS ? rows : undefined;
    });
  }
  type StatJson = FiguresJson & { queue: string; worker: string | null; over: 'minute' | 'start' };

  it('merges the percentiles of two workers, accurate to 1 %', async () => {
    const rows = await stats();
    expect(timings).toHaveLength(JOBS);
    const exact = (values: number[], share: number) =>
      values.sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] as number;
    for (const over of ['minute', 'start']) {
      const all = rows.find((row) => row.queue === 'batch' && row.worker === null && row.over === over);
      expect(all?.jobs.completed).toBe(JOBS);
      for (const [field, name] of [
        ['waitMs', 'queueMs'],
        ['runMs', 'runMs'],
        ['totalMs', 'totalMs'],
      ] as const) {
        const values = timings.map((timing) => timing[name]);
        const spread = all?.[field] as Spread;
        for (const [quantile, share] of [
          ['p50', 0.5],
          ['p90', 0.9],
          ['p99', 0.99],
          ['max', 1],
        ] as const) {
          const right = exact(values, share);
          expect(Math.abs(spread[quantile] - right)).toBeLessThanOrEqual(right * 0.01 + 0.002);
        }
      }
    }
    const shares = rows.filter((row) => row.queue === 'batch' && row.worker !== null && row.over === 'start');
    expect(shares.map((row) => row.worker)).toEqual(['one', 'two']);
    expect(shares.reduce((sum, row) => sum + row.jobs.completed, 0)).toBe(JOBS);
    expect(shares.reduce((sum, row) => sum + row.batches.count, 0)).toBeLessThanOrEqual(JOBS);
  });

  it('shows what each worker is and does, and why its micro-batches were sent', async () => {
    await stats();
    const { workers } = (await run('workers', '--json')).json<{ workers: WorkerRow[] }>();
    expect(workers.map((worker) => worker.name)).toEqual(['one', 'two']);
    const [first] = workers as [WorkerRow];
    expect(first.sinceStart.jobs.completed).toBe(first.jobsDone);
    expect(first.sinceStart.batches.rows?.max).toBeLessThanOrEqual(8);
    const closed = Object.values(first.sinceStart.batches.closed).reduce((sum, times) => sum + times, 0);
    expect(closed).toBe(first.sinceStart.batches.count);
    expect(first.rssBytes).toBeGreaterThan(1e7);
    expect(first.beatAgeMs).toBeLessThan(5000);
    const realtime = (await run('workers', '-Q', 'realtime', '--json')).json<{ workers: WorkerRow[] }>();
    expect(realtime.workers.map((worker) => worker.name)).toEqual(['one']);
    expect(realtime.workers[0]?.sinceStart.jobs.completed).toBe(1);
    const named = await run('workers', '-d', 'two', '-o', 'name');
    expect(named.stdout).toBe('two\n');
    const wrong = await run('workers', '-d', 'twoo');
    expect([wrong.exitCode, wrong.stderr]).toEqual([66, expect.stringContaining('did you mean two?')]);
    const table = (await run('workers')).stdout.split('\n')[0];
    expect(table).toBe(
      'WORKER\tSTATE\tUP\tDEVICE\tQUEUES\tMODELS\tACTIVE\tJOBS\tROWS\tTOTAL\tBATCH ROWS\tCLOSED\tMEMORY\tLAG\tGPU MEMORY\tGPU USE\tDEVICE BUSY',
    );
  });

  it('can be run and watched by a read-only user', async () => {
    await setUser(redis, 'viewer', 'secret', aclRules('inspector', 'infer'));
    const url = redis.url.replace('redis://', 'redis://viewer:secret@');
    for (const args of [[], ['queues'], ['workers'], ['stats'], ['ping']]) {
      const { exitCode, stderr } = await infer.run(['inspect', ...args, '--json'], { redis: url });
      expect([args, exitCode, stderr]).toEqual([args, 0, '']);
    }
    const terminal = openTerminal(infer, url, ['inspect', '--watch', '0.2']);
    await terminal.shows(/batch +waiting/);
    terminal.type('q');
    expect((await terminal.ended).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('pings each, reports who is silent, and fails when no worker answers', async () => {
    const both = await run('ping');
    expect([both.exitCode, both.stderr]).toEqual([0, '2 of 2 answered\n']);
    expect(both.stdout).toMatch(/^one\tok\t/m);
    two.signal('SIGSTOP');
    const some = await run('ping', '-t', '1500ms', '--json');
    expect(some.exitCode).toBe(3);
    expect(some.json().workers).toMatchObject([
      { name: 'one', answered: true, silent: false },
      { name: 'two', answered: false, ms: null },
    ]);
    const none = await run('ping', '-d', 'two', '-t', '1s');
    expect([none.exitCode, none.stdout.split('\n')[1]?.split('\t').slice(0, 3)]).toEqual([
      69,
      ['two', 'no answer', '-'],
    ]);
    expect((await run('ping', '-o', 'name', '-t', '1500ms')).stdout).toBe('one\n');
    const unknown = await run('ping', '-d', 'twoo');
    expect([unknown.exitCode, unknown.stderr]).toEqual([66, expect.stringContaining('did you mean two?')]);
    const { problems } = await until(async () => {
      const seen = (await run('--json')).json<{ problems: { code: string; message: string }[] }>();
      return seen.problems.some(({ code }) => code === 'WORKER_SILENT') ? seen : undefined;
    });
    expect(problems.map(({ message }) => message).join()).toContain('worker two has been silent for');
    two.signal('SIGCONT');
    await Promise.all([one.stop(), two.stop()]);
    const gone = await run('ping');
    expect([gone.exitCode, gone.stderr]).toEqual([69, expect.stringContaining('no worker is running')]);
  });
});
