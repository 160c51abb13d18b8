import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspect } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { lives } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);
const DIGITS = ['--', '--model', 'digits', '--threads', '1'];
let dir: string;

interface Row {
  name: string;
  worker: string;
  pid: number;
  outcome: string;
  state: string;
  gpu: string | null;
  device: string | null;
  fallback?: string;
  queues: string[];
}

beforeAll(() => {
  dir = path.join(infer.dir, 'state', 'workers', hostname());
});
afterEach(async () => {
  await infer.run(['workers', 'stop', '--all', '--force']);
});

const workers = async (...args: string[]) => {
  const run = await infer.run(['workers', ...args, '--json']);
  return { ...run, rows: run.json<{ workers?: Row[] }>().workers ?? [] };
};
const start = async (...args: string[]) => {
  const run = await infer.run(['workers', 'start', '--json', ...args, ...DIGITS]);
  return { ...run, rows: run.json<{ workers?: Row[] }>().workers ?? [] };
};
const errorOf = (run: { json<T>(): T }) => run.json<{ error: { code: string; hint: string } }>().error;

describe('infer workers start', () => {
  it('NAME starts a stopped worker with the flags it had, as after a reboot', async () => {
    const { rows } = await start('--name', 'kept', '-Q', 'kept', '--count', '2');
    for (const { pid } of rows) process.kill(pid, 'SIGKILL');
    await until(async () => (rows.some(({ pid }) => lives(pid)) ? undefined : true));
    const other = await infer.run(['workers', 'start', 'kept', '--json', '--', '--burst']);
    expect([other.exitCode, errorOf(other).code]).toEqual([2, 'USAGE']);
    const queue = await infer.run(['workers', 'start', 'kept', '-Q', 'batch', '--json']);
    expect([queue.exitCode, errorOf(queue)]).toMatchObject([
      2,
      { message: 'kept ran before and is started with the flags it had: -Q would not count' },
    ]);
    expect((await workers('list')).rows.map((row) => row.state)).toEqual(['dead', 'dead']);
    const again = await workers('start', 'kept');
    expect(again.rows.map((row) => [row.name, row.outcome, row.queues])).toEqual([
      ['kept-1', 'started', ['kept']],
      ['kept-2', 'started', ['kept']],
    ]);
    const argv = readFileSync(`/proc/${again.rows[0]?.pid}/cmdline`, 'latin1').split('\0');
    expect(argv).toEqual(expect.arrayContaining(['--model', 'digits', '--threads', '1']));
    expect((await workers('start', 'other')).exitCode).toBe(2);
  });

  it('--gpu on a host without that GPU says that the CPU is used', async () => {
    const { exitCode, rows } = await start('--gpu', '7', '--name', 'g', '-Q', 'g');
    expect([exitCode, rows]).toMatchObject([
      0,
      [{ outcome: 'started', gpu: '7', device: 'cpu', fallback: expect.stringMatching(/\w/) }],
    ]);
    expect((await workers('list')).rows).toMatchObject([{ gpu: '7', device: 'cpu' }]);
    const text = await infer.run(['workers', 'restart', 'g']);
    expect(text.stderr).toMatch(/^! g ready \(pid \d+\), not on GPU 7 but on cpu/m);
    expect(text.stderr).toContain('--require-gpu');
  });
});

describe('worker names', () => {
  it('are the same in workers list and inspect, and both commands accept them', async () => {
    await start('--name', 'same', '-Q', 'same');
    const [shown] = (await infer.run(['workers', 'list'])).stdout.split('\n').slice(1);
    const full = `same@${hostname()}`;
    expect(shown?.split('\t')[0]).toBe(full);
    expect((await workers('list')).rows).toMatchObject([{ name: 'same', worker: full }]);
    // Workers of other tests may still be registered.
    expect((await inspect(infer)).workers.map(({ name }) => name)).toContain(full);
    for (const name of ['same', full]) {
      const set = await infer.run(['control', 'set', name, 'concurrency', '1', '--json']);
      expect([name, set.exitCode]).toEqual([name, 0]);
    }
    expect((await workers('stop', full)).rows).toMatchObject([{ outcome: 'stopped' }]);
  });

  it('are rejected when no worker has them; those of a stopped worker are not', async () => {
    await start('--name', 'here', '-Q', 'here');
    for (const verb of ['stop', 'restart', 'logs']) {
      const run = await infer.run(['workers', verb, 'TYPO', '--json']);
      expect([verb, run.exitCode, errorOf(run)]).toMatchObject([
        verb,
        66,
        { code: 'WORKER_UNKNOWN', hint: 'use one of here' },
      ]);
    }
    expect((await workers('stop', 'here')).exitCode).toBe(0);
    const again = await infer.run(['workers', 'stop', 'here']);
    expect([again.exitCode, again.stderr]).toEqual([0, 'here does not run on this host\n']);
  });
});

describe('infer workers restart', () => {
  it('lets each worker finish its job, and starts it again with its flags', async () => {
    const models = path.join(infer.dir, 'models');
    writeModel(models, 'slow', slow());
    const flags = ['--models', models, '--model', 'slow', '--threads', '1'];
    const args = ['workers', 'start', '--name', 'again', '-Q', 'again', '--json', '--', ...flags];
    const [first] = (await infer.run(args)).json<{ workers: Row[] }>().workers;
    const input = JSON.stringify({ x: [1, 2], turns: [100] });
    const submit = ['submit', '-', '-q', '-Q', 'again', '--model', 'slow'];
    const id = (await infer.run(submit, { stdin: input })).stdout.trim();
    const { exitCode, rows } = await workers('restart', 'again');
    expect([exitCode, rows]).toMatchObject([0, [{ name: 'again', outcome: 'started', queues: ['again'] }]]);
    expect(rows[0]?.pid).not.toBe(first?.pid);
    expect(lives(first?.pid as number)).toBe(false);
    const ended = await infer.run(['result', id, '--wait', '--json']);
    expect(ended.json()).toMatchObject({ state: 'completed', attempts: 1 });
    const argv = readFileSync(`/proc/${rows[0]?.pid}/cmdline`, 'latin1').split('\0');
    expect(argv).toEqual(expect.arrayContaining(flags));
    // One that does not restart keeps its flags, and is reported as an error.
    writeFileSync(path.join(models, 'slow', '1', 'model.onnx'), 'broken');
    const broken = await workers('restart', '--all');
    expect([broken.exitCode, broken.rows]).toMatchObject([69, [{ outcome: 'failed' }]]);
    writeModel(models, 'slow', slow());
    expect((await workers('restart', 'again')).rows).toMatchObject([{ outcome: 'started' }]);
  });

  it('still restarts a worker that was finishing its job at Ctrl-C, and leaves later workers untouched', {
    timeout: 120_000,
  }, async () => {
    const models = path.join(infer.dir, 'models-kept');
    writeModel(models, 'slow', slow());
    const flags = ['--', '--models', models, '--model', 'slow', '--threads', '1'];
    const started = await infer.run([
      ...['workers', 'start', '--name', 'two', '--count', '2', '-Q', 'two', '--json', ...flags],
    ]);
    const before = started.json<{ workers: Row[] }>().workers;
    for (const _ of before) {
      const stdin = JSON.stringify({ x: [1, 2], turns: [2500] });
      const args = ['submit', '-', '-q', '-Q', 'two', '--model', 'slow'];
      await infer.run(args, { stdin });
    }
    const restart = infer.start(['workers', 'restart', 'two', '--json']);
    await until(async () =>
      readFileSync(path.join(dir, 'two-1.json'), 'utf8').includes('drainingSince') ? true : undefined,
    );
    restart.kill('SIGINT');
    const { exitCode, stderr } = await restart;
    expect([exitCode, stderr]).toEqual([130, expect.stringContaining('stopping once two-1 runs again')]);
    const after = (await workers('list')).rows;
    expect(after.map(({ name, state }) => [name, state])).toEqual([
      ['two-1', 'running'],
      ['two-2', 'running'],
    ]);
    expect(after[0]?.pid).not.toBe(before[0]?.pid);
    expect(after[1]?.pid).toBe(before[1]?.pid);
  });

  it('restarts neither worker when one of two named is stopped, and says so', {
    timeout: 120_000,
  }, async () => {
    const { rows } = await start('--name', 'runs', '-Q', 'r');
    await start('--name', 'old', '-Q', 'r');
    await workers('stop', 'old');
    const run = await infer.run(['workers', 'restart', 'runs', 'old', '--json']);
    expect([run.exitCode, errorOf(run)]).toMatchObject([
      66,
      { code: 'WORKER_UNKNOWN', message: 'old was stopped, and its flags with it' },
    ]);
    expect((await workers('list')).rows).toMatchObject([{ name: 'runs', pid: rows[0]?.pid }]);
  });

  it('rejects a call without a name and --all, or with both', async () => {
    for (const args of [[], ['x', '--all']]) {
      expect((await infer.run(['workers', 'restart', ...args])).exitCode).toBe(2);
    }
  });
});

describe('infer workers logs', () => {
  it('prints the last lines, and follows with -f, also after the log was truncated', async () => {
    await start('--name', 'l', '-Q', 'l');
    await workers('stop', 'l');
    const file = path.join(dir, 'l.log');
    writeFileSync(`${file}.old`, 'older\n');
    writeFileSync(file, 'one\ntwo\nthree');
    const tail = async (...args: string[]) => (await infer.run(['workers', 'logs', 'l', ...args])).stdout;
    expect(await tail('-n', '2')).toBe('two\nthree\n');
    expect(await tail()).toBe('older\none\ntwo\nthree\n');
    expect(await tail('-n', '0')).toBe('');
    const json = await infer.run(['workers', 'logs', `l@${hostname()}`, '-n', '1', '--json']);
    expect(json.json()).toEqual({ logs: [{ name: 'l', log: file, lines: ['three'] }] });
    writeFileSync(file, 'one\ntwo\nthree\n');
    const child = infer.start(['workers', 'logs', 'l', '-f', '-n', '1']);
    let seen = '';
    child.stdout?.on('data', (text: Buffer) => {
      seen += text.toString();
    });
    const shows = (text: string) => until(async () => (seen === text ? true : undefined));
    await shows('three\n');
    appendFileSync(file, 'fo');
    appendFileSync(file, 'ur\n');
    await shows('three\nfour\n');
    truncateSync(file);
    appendFileSync(file, 'new\n');
    await shows('three\nfour\nnew\n');
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
  });
});
