import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readAutoscalers } from '../../src/lib/queue/autoscalers.js';
import { type Started, says, until, useInfer } from '../support/cli.js';
import { useRedis } from '../support/redis.js';
import { openTerminal, type Terminal } from '../support/terminal.js';
import { lives } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const terminals: Terminal[] = [];
const ON_CPU = ['--gpus', 'none', '--interval', '200ms'];
const DIGITS = ['--', '--model', 'digits', '--threads', '1'];

const autoscalers: Started[] = [];
const start = (args: readonly string[]): Started => {
  const child = infer.start(args);
  autoscalers.push(child);
  return child;
};

afterEach(async () => {
  for (const child of autoscalers.splice(0)) {
    child.kill('SIGTERM');
    await child;
  }
  await Promise.all(terminals.splice(0).map((terminal) => terminal.close()));
  await infer.run(['workers', 'stop', '--all', '--force']);
  expect(await rows()).toEqual([]);
});

interface Row {
  name: string;
  pid: number;
  state: string;
}
const rows = async () => (await infer.run(['workers', 'list', '--json'])).json<{ workers: Row[] }>().workers;
const open = (args: string[], size = { columns: 100, rows: 24 }) => {
  const terminal = openTerminal(infer, redis.url, ['autoscale', ...ON_CPU, ...args, ...DIGITS], size);
  terminals.push(terminal);
  return terminal;
};

describe('infer autoscale on a terminal', () => {
  it('redraws a table in place at any size; q leaves the workers, the last frame and a restored terminal', async () => {
    const terminal = open(['-Q', 'rt', '--policy', 'fixed:2', '--max', '2']);
    const lines = await terminal.shows(/cpu-1.*ready.*\n.*cpu-2.*ready/);
    expect(lines).toHaveLength(24);
    expect(lines[0]).toMatch(/^Autoscaler of rt fixed:2, 1\.\.2 workers, target wait 10 s, \d\d:\d\d:\d\d$/);
    expect(lines[1]).toBe('0 waiting; 0 active');
    expect(lines.join('\n')).toMatch(/cpu-1 +│ autoscaled-1@.* │ ready/);
    expect(lines.join('\n')).toMatch(/\d\d:\d\d:\d\d rt 0→2: fixed at 2 · autoscaled-1, autoscaled-2/);
    expect(lines.at(-1)).toMatch(/^q quit/);
    expect([terminal.screen.alternate, terminal.screen.cursor]).toEqual([true, false]);
    terminal.resize(60, 9);
    // Too small for all: rows that do not fit are counted, and the footer stays.
    const small = await terminal.shows(/more lines.*\nq quit/);
    expect(small).toHaveLength(9);
    expect(Math.max(...small.map((line) => line.length))).toBeLessThanOrEqual(60);
    terminal.type('q');
    const { exitCode, modes } = await terminal.ended;
    const { screen } = terminal;
    expect([exitCode, screen.alternate, screen.cursor, screen.wrap]).toEqual([0, false, true, true]);
    expect(modes).toMatch(/(?<!-)\bicanon\b/);
    expect(screen.all).toContain('2 workers keep running; to stop them: infer workers stop autoscaled');
    expect(screen.all).toMatch(/cpu-2.*ready/);
    expect((await rows()).map((row) => row.state)).toEqual(['running', 'running']);
  });

  it('ends the same way on a signal; --on-exit drain leaves no worker', async () => {
    const terminal = open(['-Q', 'rt', '--on-exit', 'drain']);
    await terminal.shows(/cpu-1.*ready/);
    const [worker] = await rows();
    terminal.signal('SIGTERM');
    const { exitCode } = await terminal.ended;
    expect([exitCode, terminal.screen.alternate, terminal.screen.cursor]).toEqual([0, false, true]);
    expect(terminal.screen.all).toContain('draining 1 worker;');
    expect(lives(worker?.pid as number)).toBe(false);
  });
});

describe('autoscaled workers:', () => {
  it('those just started by --once are listed', async () => {
    const run = await infer.run(['autoscale', ...ON_CPU, '-Q', 'rt', '--once', '--json', ...DIGITS]);
    const { workers, dryRun } = run.json<{ workers: { pid: number; state: string }[]; dryRun: boolean }>();
    expect([dryRun, workers]).toMatchObject([false, [{ state: 'starting' }]]);
    expect((await rows()).map((row) => row.pid)).toEqual(workers.map((worker) => worker.pid));
  });

  it('after a kill during a start, the started one is listed or ends on its own', async () => {
    const args = [
      'autoscale',
      ...ON_CPU,
      '-Q',
      'rt',
      '--policy',
      'fixed:3',
      '--max',
      '3',
      '--verbose',
      ...DIGITS,
    ];
    const first = start(args);
    // The pid file of the first exists; the others may be at any stage.
    await until(async () => (files().length > 0 ? true : undefined));
    first.kill('SIGKILL');
    await first;
    const second = start(args);
    // A pid file without a process is believed for 15 s.
    await until(async () => {
      const all = await rows();
      return (all.length === 3 && all.every((row) => row.state === 'running')) || undefined;
    }, 40_000);
    second.kill('SIGTERM');
    await second;
    const listed = (await rows()).map((row) => row.pid).sort();
    const { workers } = (await infer.run(['inspect', '--json'])).json<{ workers: { pid: number }[] }>();
    expect(workers.map((worker) => worker.pid).sort()).toEqual(listed);
  }, 60_000);

  it('one whose pid file is removed finishes its job and exits', async () => {
    await infer.run(['autoscale', ...ON_CPU, '-Q', 'rt', '--once', ...DIGITS]);
    const [worker] = await until(async () => {
      const all = await rows();
      return all.every((row) => row.state === 'running') ? all : undefined;
    });
    rmSync(path.join(dir(), 'autoscaled-1.json'));
    await until(async () => (lives(worker?.pid as number) ? undefined : true));
    expect(readFileSync(path.join(dir(), 'autoscaled-1.log'), 'utf8')).toContain('pid file');
  });

  it('a concurrent dry run removes no autoscaler from the register', async () => {
    const live = start(['autoscale', '--gpus', 'none', '-Q', 'rt', '--interval', '5s', ...DIGITS]);
    await says(live, 'autoscaler of rt');
    const shown = async () =>
      (await readAutoscalers(await redis.client(), 'infer', Date.now())).autoscalers.map((one) => one.pid);
    await until(async () => ((await shown()).length === 1 ? true : undefined));
    await infer.run(['autoscale', ...ON_CPU, '-Q', 'rt', '--dry-run', '--once', ...DIGITS]);
    expect(await shown()).toEqual([live.pid]);
    live.kill('SIGTERM');
    await live;
    expect(await shown()).toEqual([]);
  });
});

describe('invalid autoscale flags', () => {
  it('are rejected before anything is changed', async () => {
    for (const [args, says] of [
      [['--interval', '1d'], '--interval must be at most 1m 0s'],
      [['--target-wait', '2d'], '--target-wait must be at most a day'],
      [['--cold-start', '5s'], '--cold-start is of simulations'],
      [['--simulate', 'steady', '--dry-run'], '--dry-run means nothing in a simulation'],
      [['--threshold', '0'], '--threshold: Expected an integer'],
      [['--', '-Q', 'other'], '-Q cannot be given after --'],
      [['--', '--gpu=1'], '--gpu cannot be given after --'],
      [['--', '--burst'], '--burst cannot be given after --'],
    ] as const) {
      const run = await infer.run(['autoscale', '--json', ...args]);
      const { error } = run.json<{ error: { message: string } }>();
      expect([run.exitCode, error.message]).toEqual([2, expect.stringContaining(says)]);
    }
    const start = await infer.run(['workers', 'start', '--json', '--', '--redis', 'redis://elsewhere']);
    expect([start.exitCode, start.json<{ error: object }>().error]).toMatchObject([
      2,
      { code: 'WORKER_FLAG' },
    ]);
  });
});

function dir(): string {
  return path.join(infer.dir, 'state', 'workers', hostname());
}

/** Pid files, including those of workers that have no process yet. */
function files(): string[] {
  return existsSync(dir()) ? readdirSync(dir()).filter((file) => file.endsWith('.json')) : [];
}
