import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';
import { openTerminal, type Terminal } from '../support/terminal.js';

const redis = useRedis();
const infer = useInfer(redis);
const terminals: Terminal[] = [];
function open(
  args: string[],
  size = { columns: 80, rows: 24 },
  env: Record<string, string> = {},
  url = redis.url,
): Terminal {
  const terminal = openTerminal(infer, url, ['inspect', ...args], size, env);
  terminals.push(terminal);
  return terminal;
}
afterEach(() => Promise.all(terminals.splice(0).map((terminal) => terminal.close())));

beforeAll(async () => {
  await infer.run(['submit', ONE_DIGIT, '-Q', 'slow', '-q'], { redis: redis.url });
  for (let i = 0; i < 2; i++)
    await infer.run(['submit', ONE_DIGIT, '-Q', 'busy', '-q'], { redis: redis.url });
});

/** Ends a view with `q` and expects the terminal to be restored. */
async function quits(terminal: Terminal): Promise<void> {
  terminal.type('q');
  const { exitCode, modes } = await terminal.ended;
  expect(exitCode).toBe(0);
  expectRestored(terminal, modes);
}

function expectRestored({ screen }: Terminal, modes: string): void {
  expect([screen.alternate, screen.cursor, screen.wrap, screen.whole]).toEqual([false, true, true, true]);
  expect(modes).toMatch(/(?<!-)\bicanon\b/);
  expect(modes).toMatch(/(?<!-)\becho\b/);
}

describe('inspect --watch on a terminal', () => {
  it('redraws in place, with charts, until q', async () => {
    const terminal = open(['--watch', '0.2']);
    const lines = await terminal.shows(/slow +waiting +▁?█/);
    expect(lines[0]).toMatch(/^infer inspect · \d\d:\d\d:\d\d · every 200 ms · by name$/);
    expect(lines.join('\n')).toMatch(/NO_WORKERS|no worker is running and jobs wait in busy, slow/);
    expect(lines).toHaveLength(24);
    const before = terminal.screen.pictures;
    await terminal.shows(/slow +waiting +███/);
    expect(terminal.screen.pictures).toBeGreaterThan(before);
    expect([terminal.screen.alternate, terminal.screen.cursor]).toEqual([true, false]);
    await quits(terminal);
  });

  it('changes the sort order on s and pauses on p', async () => {
    const terminal = open(['queues', '--watch', '0.2']);
    const order = (lines: string[]) => lines.filter((line) => /^(│ )?(busy|slow) .*0: \d/.test(line));
    expect(order(await terminal.shows(/by name[\s\S]*waiting/))[0]).toContain('busy');
    terminal.type('s');
    expect(order(await terminal.shows(/by waiting[\s\S]*waiting/))[0]).toContain('busy');
    terminal.type('s');
    expect(order(await terminal.shows(/by oldest[\s\S]*waiting/))[0]).toContain('slow');
    terminal.type('p');
    await terminal.shows(/· paused ·/);
    const held = terminal.screen.lines.filter((line) => line.includes('waiting'));
    terminal.type('x');
    terminal.type(' ');
    await terminal.shows(/· every 200 ms ·/);
    expect(held.length).toBeGreaterThan(0);
    await quits(terminal);
  });

  it('fits a resized terminal, down to 20 columns', async () => {
    const terminal = open(['queues', '--watch', '0.2'], { columns: 132, rows: 30 });
    await terminal.shows(/QUEUE.*TOTAL/);
    for (const [columns, rows] of [
      [60, 15],
      [20, 8],
      [100, 24],
    ] as const) {
      terminal.resize(columns, rows);
      const fits = () => {
        const { whole, lines } = terminal.screen;
        return whole && lines.length === rows && lines.every((line) => [...line].length <= columns);
      };
      await expect.poll(fits, { timeout: 5000 }).toBe(true);
    }
    await quits(terminal);
  });

  it('says that Redis is unreachable, keeps retrying and resumes automatically', async () => {
    const terminal = open(['--watch', '0.2']);
    await terminal.shows(/slow/);
    await redis.kill();
    const lines = await terminal.shows(/^! no Redis[\s\S]*retrying\s+for/m);
    expect(lines.join(' ')).toMatch(/unix:.*redis\.sock/);
    // The last known data stays on the screen.
    expect(lines.join('\n')).toContain('slow');
    await redis.restart();
    await terminal.shows(/^(?![\s\S]*retrying\s+for)infer inspect/);
    await quits(terminal);
    for (const queue of ['slow', 'busy', 'busy'])
      await infer.run(['submit', ONE_DIGIT, '-Q', queue, '-q'], { redis: redis.url });
  });

  it.each([
    ['Ctrl-C', (terminal: Terminal) => terminal.type('\u0003'), 130],
    ['SIGTERM', (terminal: Terminal) => terminal.signal('SIGTERM'), 143],
  ])('restores the terminal after %s', async (_, stop, code) => {
    const terminal = open(['stats', '--watch', '0.2']);
    await terminal.shows(/QUEUE/);
    stop(terminal);
    const { exitCode, modes } = await terminal.ended;
    expect(exitCode).toBe(code);
    expectRestored(terminal, modes);
  });

  it.each([
    ['of no known width', { columns: 0, rows: 0 }, {}],
    ['that cannot be drawn on', { columns: 80, rows: 24 }, { TERM: 'dumb' }],
  ])('%s prints once', async (_, size, env) => {
    const terminal = open(['workers', '--watch'], size, env);
    expect((await terminal.ended).exitCode).toBe(0);
    expect(terminal.screen.pictures).toBe(0);
    expect(terminal.screen.all).toContain('no worker is running');
    expect(terminal.screen.all).toContain('cannot be redrawn');
  });

  it('fails like any command when Redis is unreachable at the start', async () => {
    const terminal = open(['--watch'], undefined, {}, 'unix:///nowhere/redis.sock');
    expect((await terminal.ended).exitCode).toBe(69);
    expect(terminal.screen.pictures).toBe(0);
  });
});

describe('inspect --watch in a pipe', () => {
  it.each(['queues', 'workers', 'stats'])('of %s prints once, in JSON as one line', async (what) => {
    const table = await infer.run(['inspect', what, '--watch'], { redis: redis.url });
    expect(table.exitCode).toBe(0);
    expect(table.stdout.split('\n')[0]).toMatch(/^[A-Z]+\t/);
    expect(table.stdout).not.toContain('\u001b');
    const json = await infer.run(['inspect', what, '--watch', '1', '--json'], { redis: redis.url });
    expect(json.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(json.rows()[0]).toHaveProperty(what);
  });

  it.each([
    [['inspect', 'queues', '--watch', '--json'], 69],
    [['inspect', 'queues', '--watch', '--json', '--nope'], 2],
    [['events', '-f', '--json'], 69],
    [['events', '--follow', '--json', '--kind', 'nope'], 2],
    [['autoscale', '--json', '--policy', 'nope'], 2],
    [['workers', 'logs', 'nowhere', '-f', '--json'], 66],
    [['up', '--json', '--nope'], 2],
  ])('an error is one line of what %j streams', async (words, exitCode) => {
    const run = await infer.run(words, { redis: 'unix:///nowhere/redis.sock' });
    expect([run.exitCode, run.stdout.trimEnd().split('\n').length]).toEqual([exitCode, 1]);
    expect(run.rows()[0]).toMatchObject({ error: { code: expect.any(String) } });
  });

  it('an error of a single document is indented like the document', async () => {
    const run = await infer.run(['events', '--json'], { redis: 'unix:///nowhere/redis.sock' });
    expect(run.stdout.trimEnd().split('\n').length).toBeGreaterThan(1);
    expect(run.json()).toMatchObject({ error: { exitCode: 69 } });
  });

  it('ends quietly when its reader closes the pipe', async () => {
    const run = promisify(execFile);
    const command = `'${process.execPath}' '${path.join(ROOT, 'bin/run.js')}' inspect queues --watch | head -c 1`;
    const { stdout, stderr } = await run('sh', ['-c', command], {
      env: { ...process.env, INFER_REDIS_URL: redis.url },
    });
    expect([stdout, stderr]).toEqual(['Q', '']);
  });

  it('rejects an interval of zero', async () => {
    const { exitCode, stderr } = await infer.run(['inspect', '--watch', '0'], { redis: redis.url });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--watch 0.1 is the most often');
  });
});
