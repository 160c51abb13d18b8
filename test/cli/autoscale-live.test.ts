import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readAutoscalers } from '../../src/lib/queue/autoscalers.js';
import { type Started, until, useInfer } from '../support/cli.js';
import { type PosingGpus, posingGpus, posingUuid } from '../support/gpus.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspectQueue } from '../support/overview.js';
import { startRedis, type TestRedis, useRedis } from '../support/redis.js';
import { childrenOf, lives } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const GPUS = [1, 2, 3].map(posingUuid);
/** About one second of a run. */
const TURNS = 200;
let posing: PosingGpus;
let env: Record<string, string>;
let models: string;
const autoscalers: Started[] = [];

interface Row {
  name: string;
  state: string;
  pid: number;
  gpu: string | null;
  pool: string | null;
  adopted: boolean;
}
interface Decision {
  reason: string;
  hold: string | null;
  error: string | null;
  started: string[];
  drained: string[];
  workers: { name: string; slot: string; state: string; pid: number; adopted: boolean }[];
  failures: { slot: string; reason: string; lines: string[] }[];
  troubles: { slot: string; state: string; reason: string }[];
}

beforeAll(() => {
  posing = posingGpus(infer.dir);
  env = { PATH: `${posing.dir}:${process.env.PATH}` };
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});
beforeEach(() => posing.set(GPUS.map((uuid, at) => ({ uuid, free: 10_000 + 1000 * at }))));
afterEach(async () => {
  for (const child of autoscalers.splice(0)) {
    child.kill('SIGTERM');
    await child;
  }
  await infer.run(['workers', 'stop', '--all', '--force'], { env });
  expect((await rows()).map((row) => row.name)).toEqual([]);
});

const rows = async () =>
  (await infer.run(['workers', 'list', '--json'], { env })).json<{ workers: Row[] }>().workers;
const running = async () => (await rows()).filter((row) => row.state === 'running');
const worker = (...more: string[]) => [
  '--',
  '--models',
  models,
  '--model',
  'slow',
  '--threads',
  '1',
  '--max-batch',
  '1',
  ...more,
];

/** An autoscaler with short intervals, and its output so far. */
function autoscale(args: string[], options: { url?: string; workerArgs?: string[] } = {}) {
  const all = [
    'autoscale',
    '--json',
    '--verbose',
    '--interval',
    '200ms',
    ...args,
    ...(options.workerArgs ?? worker()),
  ];
  const child = infer.start(all, { env, ...(options.url === undefined ? {} : { redis: options.url }) });
  autoscalers.push(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const decisions = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Decision);
  const said = (what: (decision: Decision) => boolean, timeoutMs?: number) =>
    until(async () => decisions().find(what), timeoutMs);
  return { child, decisions, said };
}

const submit = async (queue: string, jobs: number, turns = TURNS) => {
  const stdin = JSON.stringify({ x: [1, 2], turns: [turns] });
  const run = (_: unknown) =>
    infer.run(['submit', '-', '--quiet', '-Q', queue, '--models', models, '--model', 'slow'], { stdin });
  const ids = await Promise.all(Array.from({ length: jobs }, run));
  return ids.map((one) => one.stdout.trim());
};
const stateOf = async (id: string) =>
  (await infer.run(['result', id, '--json'])).json<{ state: string; attempts: number }>();
const visible = (pid: number) =>
  childrenOf(pid).map(
    (runner) => /CUDA_VISIBLE_DEVICES=([^\0]*)/.exec(readFileSync(`/proc/${runner}/environ`, 'latin1'))?.[1],
  );

describe('autoscale on a host with GPUs', () => {
  it('scales up on distinct GPUs, most free memory first; after a kill, its successor adopts the workers and drains them', async () => {
    const first = autoscale(['-Q', 'rt', '--target-wait', '500ms', '--threshold', '2']);
    // The minimum of one worker, on the GPU with most free memory.
    await until(async () => ((await running()).length >= 1 ? true : undefined));
    expect((await running()).map((row) => row.gpu)).toEqual([GPUS[2]]);
    const ids = await submit('rt', 8);
    await until(async () => ((await running()).length === 3 ? true : undefined), 20_000);
    const three = await running();
    expect(new Set(three.map((row) => row.gpu))).toEqual(new Set(GPUS));
    const pinned = () => three.flatMap((row) => visible(row.pid)).sort();
    await until(async () => (pinned().length === 3 ? true : undefined));
    expect(pinned()).toEqual(GPUS);
    const up = await first.said((one) => /1→[23]/.test(one.reason));
    expect(up.reason).toMatch(/rt 1→[23]: .*(backlog|waiting)/);
    const shown = await until(async () => {
      const {
        autoscalers: [record],
      } = await readAutoscalers(await redis.client(), 'infer', Date.now());
      return record?.workers.length === 3 ? record : undefined;
    });
    expect(shown).toMatchObject({
      host: hostname(),
      pool: 'rt',
      policy: 'predictive',
      pid: first.child.pid,
      max: 3,
    });

    first.child.kill('SIGKILL');
    await first.child;
    expect((await running()).map((row) => row.pid)).toEqual(three.map((row) => row.pid));
    // Each holds a job while two of them are told to drain.
    const long = await submit('rt', 3, 3 * TURNS);
    const second = autoscale(['-Q', 'rt', '--policy', 'fixed:1', '--max', '1']);
    await second.said((one) => one.workers.filter((each) => each.adopted).length === 3);
    await until(async () => ((await rows()).length === 1 ? true : undefined), 30_000);
    const [left] = await rows();
    expect(three.map((row) => row.pid)).toContain(left?.pid);
    expect(left).toMatchObject({ adopted: true, state: 'running' });
    for (const row of three.filter((one) => one.pid !== left?.pid)) expect(lives(row.pid)).toBe(false);
    // One at a time, and none was killed during its run.
    const drained = second.decisions().flatMap((one) => one.drained);
    expect(drained).toHaveLength(2);
    for (const id of [...ids, ...long]) {
      const done = await until(async () => {
        const state = await stateOf(id);
        return state.state === 'completed' ? state : undefined;
      });
      expect(done.attempts).toBe(1);
    }
    second.child.kill('SIGTERM');
    expect((await second.child).exitCode).toBe(0);
    expect((await running()).map((row) => row.pid)).toEqual([left?.pid]);
    expect(await readAutoscalers(await redis.client(), 'infer', Date.now())).toEqual({
      autoscalers: [],
      lapsed: [],
    });
  });

  it('allows one autoscaler per pool: a second is told which one runs; other queues are another pool', async () => {
    const first = autoscale(['-Q', 'solo', '--min', '0']);
    await first.said(() => true);
    const second = await infer.run(['autoscale', '-Q', 'solo', '--json', ...worker()], { env });
    expect([second.exitCode, second.json<{ error: object }>().error]).toMatchObject([
      69,
      { code: 'AUTOSCALER_RUNNING', message: expect.stringContaining(`pid ${first.child.pid}`) },
    ]);
    const look = await infer.run(['autoscale', '-Q', 'solo', '--dry-run', '--once', '--json', ...worker()], {
      env,
    });
    expect([look.exitCode, look.json()]).toMatchObject([0, { dryRun: true, desired: 1, workers: [] }]);
    const other = autoscale(['-Q', 'other', '--min', '0']);
    await other.said(() => true);
    expect(await rows()).toEqual([]);
  });

  it('shows the log of a worker that cannot start, pauses, and leaves nothing behind', async () => {
    const fleet = autoscale(['-Q', 'bad', '--max', '1'], { workerArgs: ['--', '--model', 'nope'] });
    const failed = await fleet.said((one) => one.failures.length > 0);
    expect(failed.failures[0]).toMatchObject({ slot: GPUS[2], reason: 'exit code 66' });
    expect(failed.failures[0]?.lines.join(' ')).toContain('nope');
    expect(failed.troubles).toMatchObject([{ slot: GPUS[2], state: 'backing off' }]);
    const tries = () => fleet.decisions().flatMap((one) => one.started).length;
    // The other GPUs are tried; the one that failed pauses for 5 s.
    await until(async () => (tries() >= 3 ? true : undefined));
    expect(
      new Set(fleet.decisions().flatMap((one) => one.failures.map((failure) => failure.slot))).size,
    ).toBeGreaterThanOrEqual(2);
    fleet.child.kill('SIGTERM');
    expect((await fleet.child).exitCode).toBe(0);
    // The last one started exits on its own as well, and is shown with its reason.
    await until(async () => ((await rows()).every((row) => row.state === 'dead') ? true : undefined));
    for (const row of await rows())
      expect(row).toMatchObject({ pool: expect.stringMatching(/^bad-/), reason: 'exit code 66' });
  });

  it('leaves a GPU alone that is leased by another worker', async () => {
    const holder = await infer.worker(['-Q', 'x', '--gpu', '2', '--model', 'digits', '--name', 'holder'], {
      env,
    });
    const fleet = autoscale(['-Q', 'held', '--policy', 'fixed:3', '--min', '1']);
    const seen = await fleet.said((one) => one.troubles.some((trouble) => trouble.state === 'in use'));
    expect(seen.troubles).toMatchObject([{ slot: GPUS[2], state: 'in use', reason: 'by worker holder' }]);
    await until(async () => ((await running()).length === 2 ? true : undefined));
    expect(new Set((await running()).map((row) => row.gpu))).toEqual(new Set(GPUS.slice(0, 2)));
    expect(fleet.decisions().flatMap((one) => one.failures)).toEqual([]);
    await holder.stop();
  });

  it('leaves no worker behind with --on-exit drain', async () => {
    const fleet = autoscale(['-Q', 'drain', '--policy', 'fixed:2', '--on-exit', 'drain']);
    await until(async () => ((await running()).length === 2 ? true : undefined));
    const pids = (await running()).map((row) => row.pid);
    await fleet.said((one) => one.started.length > 0);
    fleet.child.kill('SIGTERM');
    expect((await fleet.child).exitCode).toBe(0);
    for (const pid of pids) expect(lives(pid)).toBe(false);
    expect(await rows()).toEqual([]);
  });

  it('replaces a killed worker and ignores the heartbeat that outlives it', async () => {
    const fleet = autoscale(['-Q', 'again', '--max', '2']);
    const one = await until(async () => (await running())[0]);
    await fleet.said((each) => each.started.length > 0);
    process.kill(one.pid, 'SIGKILL');
    const failed = await fleet.said((each) => each.failures.length > 0);
    expect(failed.failures[0]?.reason).toBe('killed by SIGKILL');
    const next = await until(async () => (await running()).find((row) => row.pid !== one.pid));
    // Its own slot pauses, so the next best GPU is used.
    expect(next.gpu).toBe(GPUS[1]);
  });
});

describe('autoscale during an outage', () => {
  let other: TestRedis;
  beforeAll(async () => {
    other = await startRedis({ port: true });
  });
  afterAll(() => other.stop());

  it('holds its decisions while Redis is unreachable, reports it, and resumes', async () => {
    const fleet = autoscale(['-Q', 'rt', '--policy', 'fixed:1'], { url: other.url });
    const before = await until(async () => (await running())[0]);
    await fleet.said((one) => one.started.length > 0);
    await other.kill();
    const held = await fleet.said((one) => one.hold === 'unreachable', 20_000);
    expect(held.reason).toContain('nothing is started or stopped');
    expect(held.error).not.toBeNull();
    await other.restart();
    const after = () => fleet.decisions().slice(fleet.decisions().indexOf(held) + 1);
    await until(async () => (after().some((one) => one.hold === null) ? true : undefined), 20_000);
    expect((await running()).map((row) => row.pid)).toEqual([before.pid]);
  });

  it('reports a driver that hangs or fails at startup, and starts nothing', async () => {
    posing.hang();
    const hung = await infer.run(['autoscale', '-Q', 'rt', '--once', '--json', ...worker()], { env });
    expect([hung.exitCode, hung.json<{ error: object }>().error]).toMatchObject([
      69,
      { code: 'GPU_DISCOVERY' },
    ]);
    posing.say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9);
    const failed = await infer.run(['autoscale', '-Q', 'rt', '--once', '--json', ...worker()], { env });
    expect(failed.json<{ error: { message: string } }>().error.message).toContain("couldn't communicate");
    const cpu = await infer.run(
      ['autoscale', '-Q', 'rt', '--gpus', 'none', '--once', '--json', ...worker()],
      { env },
    );
    expect([cpu.exitCode, cpu.json()]).toMatchObject([0, { desired: 1 }]);
    expect((await rows()).map((row) => row.gpu)).toEqual([null]);
  });
});

describe('autoscale on a host without GPUs', () => {
  it('starts the wanted workers with --once; they share the cores, and the next run finds them', async () => {
    posing.set([]);
    const run = (...args: string[]) =>
      infer.run(
        [
          'autoscale',
          '-Q',
          'cpu',
          '--max',
          '2',
          '--once',
          ...args,
          '--',
          '--models',
          models,
          '--model',
          'slow',
        ],
        { env },
      );
    const first = await run();
    expect([first.exitCode, first.stdout]).toMatchObject([
      0,
      expect.stringMatching(/^\d\d:\d\d:\d\d cpu 0→1: --min 1 · autoscaled-1\n$/),
    ]);
    const [one] = await rows();
    expect(readFileSync(`/proc/${one?.pid}/cmdline`, 'utf8').split('\0')).toEqual(
      expect.arrayContaining(['--threads', '1']),
    );
    const second = await run();
    expect(second.stderr).toContain('took over autoscaled-1');
    expect((await rows()).map((row) => [row.pid, row.adopted])).toEqual([[one?.pid, true]]);
  });
});

it('autoscale rejects invalid flags with exit 2 and starts nothing', async () => {
  for (const args of [['--max', '4'], ['realtime'], ['--quue', 'x']]) {
    const run = await infer.run(['autoscale', '-Q', 'rt', '--once', '--json', ...args], { env });
    expect(run.exitCode, args.join(' ')).toBe(2);
  }
});

it('an autoscale decision costs Redis less than a millisecond', async () => {
  const client = await redis.client();
  await submit('cost', 4, 1);
  const spent = async () => {
    const stats = await client.info('commandstats');
    return [...stats.matchAll(/cmdstat_(?!info|config)\S+?:calls=\d+,usec=(\d+)/g)].reduce(
      (sum, [, usec]) => sum + Number(usec),
      0,
    );
  };
  await infer.run(['autoscale', '-Q', 'cost', '--dry-run', '--once'], { env });
  await client.config('RESETSTAT');
  await infer.run(['autoscale', '-Q', 'cost', '--dry-run', '--once'], { env });
  // Excludes connecting and INFO: the sum of its own requests.
  expect(await spent()).toBeLessThan(1000);
  expect(await inspectQueue(infer, 'cost')).toMatchObject({ waiting: 4 });
});
