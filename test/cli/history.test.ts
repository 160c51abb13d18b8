import { describe, expect, it } from 'vitest';
import type { DeploymentEvent } from '../../src/lib/queue/events/types.js';
import { writeEvent } from '../../src/lib/queue/events/write-event.js';
import type { History } from '../../src/lib/queue/history/types.js';
import { until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

const submit = async (): Promise<void> => {
  const run = await infer.ask(['submit', ONE_DIGIT, '-Q', 'realtime', '--wait', '--json']);
  expect(run.exitCode, run.stderr).toBe(0);
};
const history = async (...words: string[]): Promise<History[]> =>
  (await infer.ask(['inspect', 'history', '--json', ...words])).json<{ history: History[] }>().history;
const events = async (...words: string[]): Promise<DeploymentEvent[]> =>
  (await infer.ask(['events', '--json', ...words])).json<{ events: DeploymentEvent[] }>().events;
const completed = async (...words: string[]) => (await history(...words))[0]?.total.jobs.completed;

describe('the history of a deployment', { timeout: 300_000 }, () => {
  it('survives a worker that is killed and counts each job once; the loss is an event', async () => {
    const worker = await infer.worker(['-Q', 'realtime', '-m', 'digits', '--name', 'first']);
    await submit();
    await submit();
    await until(async () => (await completed('-Q', 'realtime')) === 2);
    worker.signal('SIGKILL');
    await worker.exited;
    const second = await infer.worker(['-Q', 'realtime,batch', '-m', 'digits', '--name', 'second']);
    await submit();
    await until(async () => (await completed('-Q', 'realtime')) === 3);
    const [first] = await history('-d', 'first');
    expect(first?.total.jobs.completed).toBe(2);
    expect(first?.total.runMs?.p95).toBeGreaterThan(0);
    expect(await completed('-m', 'digits')).toBe(3);
    const [all] = await history('--range', '14d', '--step', '24h');
    expect(all).toMatchObject({ kind: 'all', name: null, stepMs: 86_400_000 });
    expect(all?.total.jobs.completed).toBe(3);
    await until(async () => (await events('--kind', 'worker-lost')).length === 1, 90_000);
    // Stopped, it records its last figures, and nothing else is there to do it.
    await submit();
    expect(await second.stop()).toBe(0);
    expect(await completed()).toBe(4);
    expect((await events()).map(({ kind, subject }) => `${kind} ${subject.name}`)).toEqual([
      'worker-started first',
      'worker-started second',
      'worker-lost first',
      'worker-stopped second',
    ]);
  });

  it('is a table in a pipe, with a row per step, or per series with --by', async () => {
    const { stdout } = await infer.run(['inspect', 'history', '--range', '5m']);
    const [head, ...rows] = stdout.trim().split('\n');
    expect(head?.split('\t').slice(0, 4)).toEqual(['FROM', 'JOBS', 'FAILED', 'JOBS/S']);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\dZ\t\d+\t0\t/);
    const each = await infer.run(['inspect', 'history', '--by', 'worker', '-q']);
    expect(each.stdout).toBe('first\nsecond\n');
    const lines = await infer.run(['inspect', 'history', '-Q', 'realtime', '-o', 'ndjson']);
    const points = lines.rows<{ kind: string; name: string; jobs: object }>();
    expect(points[0]).toMatchObject({ kind: 'queue', name: 'realtime', jobs: { failed: 0 } });
  });

  it.each([
    [['-Q', 'nosuch'], 66, 'QUEUE_UNKNOWN'],
    [['-m', 'nosuch'], 66, 'MODEL_UNKNOWN'],
    [['-d', 'frist'], 66, 'WORKER_UNKNOWN'],
    [['--step', '90s'], 2, 'FILTER'],
    [['--range', '2h'], 2, 'USAGE'],
  ] as const)('refuses %j', async (words, exitCode, code) => {
    const run = await infer.ask(['inspect', 'history', '--json', ...words]);
    expect([run.exitCode, run.json<{ error: { code: string } }>().error.code]).toEqual([exitCode, code]);
    if (code === 'WORKER_UNKNOWN') expect(run.stdout).toContain('first');
  });
});

describe('infer events', () => {
  it('follows what happens, one event a line, until it is interrupted', async () => {
    const follow = infer.start(['events', '--follow', '--json', '-n', '1']);
    let text = '';
    follow.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const seen = () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as DeploymentEvent);
    await until(async () => seen().length === 1);
    const client = await redis.client();
    for (const word of ['one', 'two']) {
      await writeEvent(client, 'infer', {
        kind: 'scaled',
        subject: { kind: 'autoscaler', name: 'x' },
        text: word,
        alarm: false,
        data: {},
      });
    }
    await until(async () => seen().length === 3);
    expect(seen().map((event) => event.text)).toEqual([expect.any(String), 'one', 'two']);
    follow.kill('SIGINT');
    expect((await follow).exitCode).toBe(130);
  });

  it('has the changes of operators', async () => {
    const pause = await infer.ask(['control', 'pause', 'realtime', '--as', 'alice']);
    expect(pause.exitCode).toBe(0);
    const [change] = await events('--kind', 'change', '-n', '1');
    expect(change).toMatchObject({
      kind: 'change',
      subject: { kind: 'queue', name: 'realtime' },
      text: expect.stringMatching(/^alice: pause realtime: /),
    });
    const { stdout } = await infer.run(['events']);
    expect(stdout.split('\n')[0]).toBe('WHEN\tEVENT\tWHAT');
    expect(stdout).toContain('\tworker-lost\tworker first on ');
  });
});
