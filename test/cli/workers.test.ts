import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { says, until, useInfer } from '../support/cli.js';
import { type PosingGpus, posingGpus, posingUuid } from '../support/gpus.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspect, inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { childrenOf, lives } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let posing: PosingGpus;
let env: Record<string, string>;
let dir: string;
let models: string;

interface Row {
  name: string;
  pid: number;
  outcome: string;
  state: string;
  gpu: string | null;
  reason: string;
  lines: string[];
}

beforeAll(() => {
  posing = posingGpus(infer.dir);
  env = { PATH: `${posing.dir}:${process.env.PATH}` };
  dir = path.join(infer.dir, 'state', 'workers', hostname());
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});
afterEach(async () => {
  await infer.run(['workers', 'stop', '--all', '--force'], { env });
  expect(readdirSync(dir).filter((file) => !/\.log(\.old)?$/.test(file))).toEqual([]);
});

const workers = async (verb: string, ...args: string[]) => {
  const run = await infer.run(['workers', verb, '--json', ...args], { env });
  return { ...run, rows: run.exitCode === 2 ? [] : (run.json<{ workers?: Row[] }>().workers ?? []) };
};
const DIGITS = ['--', '--model', 'digits', '--threads', '1'];
const start = (...args: string[]) => workers('start', ...args, ...DIGITS);

describe('infer workers', () => {
  it('starts, lists and stops workers; repeated calls change nothing', async () => {
    const first = await start('-Q', 'rt', '--count', '2', '--name', 'rt');
    expect([first.exitCode, first.rows.map((row) => [row.name, row.outcome])]).toEqual([
      0,
      [
        ['rt-1', 'started'],
        ['rt-2', 'started'],
      ],
    ]);
    // Ready means registered.
    const names = (await inspect(infer)).workers.map((worker) => worker.name);
    expect(names).toEqual([`rt-1@${hostname()}`, `rt-2@${hostname()}`]);
    const again = await start('-Q', 'rt', '--count', '2', '--name', 'rt');
    expect(again.rows.map((row) => [row.outcome, row.pid])).toEqual(
      first.rows.map((row) => ['running', row.pid]),
    );
    expect((await workers('list')).rows).toMatchObject([
      { name: 'rt-1', state: 'running' },
      { name: 'rt-2' },
    ]);
    expect(statSync(path.join(dir, 'rt-1.log')).mode & 0o777).toBe(0o600);
    expect((await workers('stop', 'rt-1')).rows).toMatchObject([{ name: 'rt-1', outcome: 'stopped' }]);
    expect((await workers('stop')).rows).toMatchObject([{ name: 'rt-2', outcome: 'stopped' }]);
    for (const { pid } of first.rows) expect(lives(pid)).toBe(false);
    expect([await workers('stop'), await workers('list')].map((run) => run.rows)).toEqual([[], []]);
    expect((await inspect(infer)).workers).toEqual([]);
  });

  it('starts one worker per GPU, pinned by UUID', async () => {
    posing.set([{ uuid: posingUuid(1) }, { uuid: posingUuid(2) }]);
    const { rows } = await start('--per-gpu', '--name', 'g', '-Q', 'rt');
    expect(rows.map((row) => [row.name, row.gpu])).toEqual([
      ['g-gpu0', posingUuid(1)],
      ['g-gpu1', posingUuid(2)],
    ]);
    const devices = rows.flatMap(({ pid }) =>
      childrenOf(pid).map(
        (runner) =>
          /CUDA_VISIBLE_DEVICES=([^\0]*)/.exec(readFileSync(`/proc/${runner}/environ`, 'latin1'))?.[1],
      ),
    );
    expect(devices).toEqual([posingUuid(1), posingUuid(2)]);
    posing.set([]);
    const none = await infer.run(['workers', 'start', '--per-gpu', '--json'], { env });
    expect([none.exitCode, none.json<{ error: object }>().error]).toMatchObject([69, { code: 'NO_GPU' }]);
  });

  it('reports why a worker failed to start and leaves nothing of it; the others stay: exit 3, or 69 when all fail', async () => {
    posing.set([{ uuid: posingUuid(1) }, { uuid: posingUuid(2) }]);
    const holder = await infer.worker(['-Q', 'x', '--gpu', '0', '--model', 'digits', '--name', 'holder'], {
      env,
    });
    const { exitCode, rows } = await start('--per-gpu', '--name', 'g', '-Q', 'rt');
    expect(exitCode).toBe(3);
    expect(rows).toMatchObject([
      { name: 'g-gpu0', outcome: 'failed', pid: null, reason: 'exit code 69' },
      { name: 'g-gpu1', outcome: 'started' },
    ]);
    expect(rows[0]?.lines.join(' ')).toContain(`is in use by worker holder (pid ${holder.pid})`);
    expect((await workers('list')).rows.map((row) => row.name)).toEqual(['g-gpu1']);
    const bad = await workers('start', '--name', 'bad', '--', '--model', 'nope');
    expect([bad.exitCode, bad.rows]).toMatchObject([69, [{ outcome: 'failed', reason: 'exit code 66' }]]);
    await holder.stop();
  });

  it('shows a dead worker with its reason, and its name can be reused', async () => {
    const { rows } = await start('--name', 'brief', '-Q', 'rt');
    process.kill(rows[0]?.pid as number, 'SIGKILL');
    await until(async () => (lives(rows[0]?.pid as number) ? undefined : true));
    expect((await workers('list')).rows).toMatchObject([
      { name: 'brief', state: 'dead', reason: expect.stringContaining('without a message') },
    ]);
    const burst = await workers(
      'start',
      '--name',
      'burst',
      '-Q',
      'rt',
      '--',
      '--model',
      'digits',
      '--max-jobs',
      '1',
    );
    await infer.run(['submit', 'examples/one-digit.json', '-Q', 'rt', '--model', 'digits', '--wait']);
    await until(async () => (lives(burst.rows[0]?.pid as number) ? undefined : true));
    const ended = (await workers('list')).rows.find((row) => row.name === 'burst');
    expect(ended).toMatchObject({ state: 'dead', reason: 'exit code 0' });
    expect((await start('--name', 'brief', '-Q', 'rt')).rows).toMatchObject([{ outcome: 'started' }]);
  });

  it('never takes a reused pid for a worker', async () => {
    await workers('list');
    const other = { pid: process.pid, birth: 'boot-1' };
    const file = {
      name: 'old',
      createdAt: 1,
      process: other,
      argv: [],
      queues: ['rt'],
      gpu: null,
      log: path.join(dir, 'old.log'),
    };
    writeFileSync(path.join(dir, 'old.json'), JSON.stringify(file));
    expect((await workers('list')).rows).toMatchObject([{ name: 'old', state: 'dead' }]);
    expect((await workers('stop', '--force')).rows).toMatchObject([{ outcome: 'not running' }]);
  });

  it('starts one worker of each name when run twice at once', async () => {
    const [a, b] = await Promise.all([
      start('--name', 'once', '-Q', 'rt'),
      start('--name', 'once', '-Q', 'rt'),
    ]);
    expect([a.rows[0]?.outcome, b.rows[0]?.outcome].sort()).toEqual(['running', 'started']);
    expect(a.rows[0]?.pid).toBe(b.rows[0]?.pid);
    const names = (await inspect(infer)).workers.map((worker) => worker.name);
    expect(names.filter((name) => name.startsWith('once'))).toHaveLength(1);
  });

  it('stop lets a job finish; --timeout and --force return it with no attempt counted', {
    timeout: 120_000,
  }, async () => {
    const submit = async (queue: string, turns: number) => {
      const args = ['submit', '-', '--quiet', '-Q', queue, '--models', models, '--model', 'slow'];
      const run = await infer.run(args, { stdin: JSON.stringify({ x: [1, 2], turns: [turns] }) });
      return run.stdout.trim();
    };
    const busy = async (queue: string) => {
      await workers('start', '--name', queue, '-Q', queue, '--', '--models', models, '--model', 'slow');
      await until(async () => ((await inspectQueue(infer, queue)).active === 1 ? true : undefined));
    };
    const stateOf = async (id: string) => (await infer.run(['result', id, '--json'])).json();
    // Long enough to be seen running by a process that takes half a second to start.
    const short = await submit('finish', 1500);
    await busy('finish');
    expect((await workers('stop', 'finish')).rows).toMatchObject([{ outcome: 'stopped' }]);
    expect(await stateOf(short)).toMatchObject({ state: 'completed', attempts: 1 });
    for (const how of [['--timeout', '400ms'], ['--force']]) {
      const queue = `leave${how.length}`;
      const long = await submit(queue, 100_000);
      await busy(queue);
      expect((await workers('stop', queue, ...how)).rows).toMatchObject([{ outcome: 'stopped' }]);
      expect(await stateOf(long)).toMatchObject({ state: 'waiting', attempts: 0 });
    }
  });

  it('start interrupted by Ctrl-C stops workers that are not ready', async () => {
    const child = infer.start(
      ['workers', 'start', '--name', 'slow', '-Q', 'rt', '--timeout', '20s', ...DIGITS],
      { env },
    );
    const pid = await until(async () => {
      const file = path.join(dir, 'slow.json');
      if (!existsSync(file)) return undefined;
      return (JSON.parse(readFileSync(file, 'utf8') || '{}') as { process?: { pid: number } }).process?.pid;
    });
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    expect(lives(pid)).toBe(false);
  });

  it('start runs the workers of the configuration, all or by name', async () => {
    const config = {
      workers: [
        { name: 'conf', queues: ['rt'], args: DIGITS.slice(1) },
        { name: 'other', queues: ['b'] },
      ],
    };
    const file = infer.file('workers.json', JSON.stringify(config));
    const run = await infer.run(['workers', 'start', 'conf', '--json'], {
      env: { ...env, INFER_CONFIG: file },
    });
    expect(run.json<{ workers: Row[] }>().workers).toMatchObject([{ name: 'conf', outcome: 'started' }]);
    const bad = await infer.run(['workers', 'start', 'nope', '--json'], {
      env: { ...env, INFER_CONFIG: file },
    });
    expect([bad.exitCode, bad.json<{ error: object }>().error]).toMatchObject([
      2,
      { hint: 'use one of conf, other' },
    ]);
  });

  it('does not run a worker whose pid file is missing', async () => {
    const child = infer.start(['worker', '-Q', 'rt', '--record', path.join(dir, 'gone.json')]);
    await says(child, 'given up');
    expect((await child).exitCode).toBe(69);
  });

  it('rejects wrong usage', async () => {
    for (const args of [
      ['start', '--cuont', '2'],
      ['start', '--count', '0'],
      ['start', '--gpu', '0', '--per-gpu'],
      ['stop', '--timeout', 'x'],
    ]) {
      expect((await infer.run(['workers', ...args], { env })).exitCode, args.join(' ')).toBe(2);
    }
  });
});
