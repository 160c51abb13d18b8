import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../src/lib/redis/probe.js';
import { type RunOptions, until, useInfer } from '../support/cli.js';
import { posingGpus, posingUuid } from '../support/gpus.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspect } from '../support/overview.js';
import { processTable } from '../support/process-table.js';
import { useRedis } from '../support/redis.js';
import { lives, startWorker, type TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const onDefaultPort = await ask({ host: '127.0.0.1', port: 6379 }, 'PING', 500);
const running: TestWorker[] = [];
let models: string;

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((up) => up.stop()));
  await infer.run(['down', '--force']);
});

const flags = () => ['--port', '0', '--models', models];
/** As for workers: only ends a test whose start hangs. */
const START_MS = 100_000;
/** One runner with one thread, unless the autoscaler is the point. */
const ONE = { INFER_CONCURRENCY: '1', INFER_THREADS: '1' };

interface Ready {
  event?: string;
  at?: string;
  pid: number;
  url: string;
  dashboard: string | null;
  tokens: number | null;
  redis: { label: string; source: string; started: boolean };
  workers: { name: string; pid: number; gpu: string | null; device: string | null }[];
  models: { name: string; served: boolean; curl: string }[];
  missing: { code: string; message: string; fix: string }[];
  logs: { gateway: string; workers: string };
}

interface Line {
  event: string;
  part?: string;
  reason?: string;
  lines?: string[];
  retryMs?: number;
  pid?: number;
  kind?: string;
  text?: string;
}

async function start(args: string[] = [], env: Record<string, string> = ONE): Promise<TestWorker> {
  const up = await startWorker(infer.start(['up', ...flags(), ...args], { env }));
  running.push(up);
  return up;
}

/** With `--json`: its ready line, and the lines of events so far. */
async function startJson(args: string[] = [], env = ONE as Record<string, string>, more: RunOptions = {}) {
  const child = infer.start(['up', '--json', ...flags(), ...args], { env, ...more });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const lines = <T>(): T[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as T);
  let over = false;
  void child.then(() => {
    over = true;
  });
  const events = () => lines<Line>();
  const ready = await until(async () => {
    if (over) throw new Error(`infer up has ended: ${(await child).all}`);
    return lines<Ready>()[0];
  }, START_MS);
  const told = (match: (line: Line) => boolean) => until(async () => events().find(match));
  const exited = child.then(({ exitCode }) => exitCode);
  return {
    ready,
    events,
    told,
    exited,
    pid: child.pid as number,
    signal: (name: NodeJS.Signals) => void child.kill(name),
  };
}

/** Runs one row, as the `curl` line of a model does. @param turns makes it take about 5 ms each */
async function run(url: string, turns = 0) {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: 'wait=60' },
    body: JSON.stringify({ model: 'slow', input: { x: [1, 2], turns: [turns] } }),
  });
  return { status: answer.status, body: (await answer.json()) as { state: string; result: unknown } };
}

/** The same, again while no gateway listens there, or the gateway has not reached Redis again. */
const runSoon = (url: string) =>
  until(async () => {
    const answer = await run(url).catch(() => undefined);
    return answer?.status === 503 ? undefined : answer;
  });
const DONE = { status: 200, body: { state: 'completed', result: { y: [1, 2] } } };

const pidFiles = (): string[] => {
  const dir = path.join(infer.dir, 'state', 'workers', hostname());
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.json')) : [];
};
const active = () =>
  until(async () => (await inspect(infer)).workers.some((worker) => worker.active.length > 0));
const gone = (pid: number) => until(async () => !lives(pid));
const gatewayPid = (url: string) =>
  processTable().find(({ text }) => text.includes(' serve --supervised ') && text.includes(infer.dir))?.pid ??
  expect.fail(`no gateway of ${url}`);

describe('infer up', () => {
  it('starts a worker and the gateway, prints a command that works, and stops in order', async () => {
    const up = await start();
    const [, url = ''] = /^ready (\S+)/m.exec(up.stderr) ?? [];
    expect(up.stderr).toMatch(/^✓ redis redis:/m);
    expect(up.stderr).toMatch(/^✓ worker up cpu$/m);
    expect(up.stderr).toContain(`gateway    ${url}\n`);
    const [, dashboard = ''] = /^ {2}dashboard {2}(\S+)$/m.exec(up.stderr) ?? [];
    const page = await fetch(dashboard);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const [, address, body = ''] = /^ {2}curl (\S+) .* -d '(.+)'$/m.exec(up.stderr) ?? [];
    expect(address).toBe(`${url}/v1/jobs`);
    const headers = { 'Content-Type': 'application/json', Prefer: 'wait=30' };
    const answer = await fetch(String(address), { method: 'POST', headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([200, { state: 'completed', model: 'slow' }]);

    // Ctrl-C in a terminal goes to all processes of its group.
    const groups = processTable().filter(({ text }) => text.includes(infer.dir));
    const own = groups.find(({ pid }) => pid === up.pid)?.group;
    expect(groups.filter(({ group }) => group === own).map(({ pid }) => pid)).toEqual([up.pid]);

    const last = run(url, 400);
    await active();
    up.signal('SIGINT');
    await up.said(/stopping: the gateway accepts no new requests/);
    expect(await last).toMatchObject(DONE);
    expect(await up.exited).toBe(0);
    const said = up.stderr.slice(up.stderr.indexOf('stopping:'));
    expect(said).toMatch(/✓ gateway stopped[\s\S]*✓ worker up stopped/);
    await expect(fetch(url)).rejects.toThrow();
    expect((await inspect(infer)).workers).toEqual([]);
  });

  it('starts a worker and a gateway again that were killed, and says so', async () => {
    const up = await startJson();
    const { url, workers, pid } = up.ready;
    expect(up.ready).toMatchObject({
      event: 'ready',
      tokens: null,
      redis: { source: 'env', started: false },
      workers: [{ name: 'up', gpu: null, device: 'cpu' }],
      models: [{ name: 'slow', served: true, curl: expect.stringContaining(`curl ${url}/v1/jobs`) }],
    });
    expect(pid).toBe(up.pid);
    const worker = workers[0]?.pid as number;
    process.kill(worker, 'SIGKILL');
    const ended = await up.told(({ event, part }) => event === 'ended' && part === 'worker up');
    expect(ended).toMatchObject({ reason: 'killed by SIGKILL', retryMs: 1000 });
    const again = await up.told(({ event, part }) => event === 'started' && part === 'worker up');
    expect(again.pid).not.toBe(worker);
    expect(await run(url)).toMatchObject(DONE);

    process.kill(gatewayPid(url), 'SIGKILL');
    await up.told(({ event, part }) => event === 'ended' && part === 'gateway');
    // At the same address, though that was a free port at first.
    expect(await runSoon(url)).toMatchObject(DONE);

    // What happens elsewhere in the deployment.
    await infer.run(['control', 'pause', 'batch', '--as', 'ada']);
    const change = await up.told(({ event, kind }) => event === 'deployment' && kind === 'change');
    expect(change.text).toContain('ada');
    await infer.run(['control', 'resume', 'batch']);

    const long = run(url, 20_000).catch(() => undefined);
    await active();
    up.signal('SIGTERM');
    await up.told(({ event }) => event === 'stopping');
    // A repeat within 250 ms is the same key press.
    await new Promise((resolve) => setTimeout(resolve, 300));
    up.signal('SIGTERM');
    expect(await up.exited).toBe(143);
    await long;
    expect(up.events().map(({ event }) => event)).toEqual(expect.arrayContaining(['stopping', 'stopped']));
    // Its job was handed back.
    const { queues, workers: left } = await inspect(infer);
    // The heartbeat of the killed one outlives it by some seconds.
    expect(left.filter((one) => one.pid !== worker)).toEqual([]);
    expect(queues.map(({ waiting, active: held }) => waiting + held)).toContain(1);
    await infer.run(['control', 'purge', 'realtime', '--yes']);
  });

  it('leaves no process behind when it is killed', async () => {
    const { ready, pid } = await startJson();
    const gateway = gatewayPid(ready.url);
    process.kill(pid, 'SIGKILL');
    await Promise.all([gone(gateway), gone(ready.workers[0]?.pid as number)]);
    // Its place is free.
    const down = await infer.run(['down', '--json']);
    expect([down.exitCode, down.json()]).toMatchObject([0, { pid: null, outcome: 'not running' }]);
  });

  it('names who has the port, and what to pass, and starts nothing', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const up = await infer.run(['up', '--models', models, '--port', String(port)]);
    expect(up.exitCode).toBe(69);
    expect(up.stderr).toMatch(new RegExp(`listens on 127.0.0.1:${port}: node.*, pid ${process.pid}`));
    expect(up.stderr).toMatch(/Try: give another port, such as --port \d+/);
    expect(up.stderr).not.toContain('✓');
    taken.close();
  });

  it.each([
    ['no model', () => ['--models', path.join(infer.dir, 'empty')], 66, /there is no model in .*empty/],
    ['an unknown directory', () => ['--models', '/nowhere'], 66, /\/nowhere/],
    ['an open address without tokens', () => [...flags(), '--host', '0.0.0.0'], 2, /must have a token/],
    ['control without tokens', () => [...flags(), '--allow-control'], 78, /need a token/],
    [
      'a token file that cannot be read',
      () => [...flags(), '--token-file', path.join(infer.dir, 'none.json')],
      78,
      /the token file .* cannot be read/,
    ],
    ['two words', () => ['now', 'then'], 2, /unexpected argument: then/],
    ['its own flag for the gateway', () => ['--', '--port', '9'], 2, /--port cannot be given after --/],
    [
      'an unknown flag of the gateway',
      () => [...flags(), '--', '--maximum', '9'],
      69,
      /there is no flag --maximum/,
    ],
  ])('refuses %s', async (_, args, code, message) => {
    mkdirSync(path.join(infer.dir, 'empty'), { recursive: true });
    const up = await infer.run(['up', ...args()], { env: ONE });
    expect([up.exitCode, up.stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(pidFiles()).toEqual([]);
    // All but the gateway's own flags are checked before anything is started.
    expect(up.stderr.includes('✓')).toBe(message.source.includes('maximum'));
  });

  it('ends what it has started when it is stopped before it is ready', async () => {
    const child = infer.start(['up', ...flags()], { env: ONE });
    const up = await startWorker(child, { readyLine: /^✓ redis/m });
    up.signal('SIGINT');
    expect(await up.exited).toBe(130);
    expect(up.stderr).not.toMatch(/^ready/m);
    expect(pidFiles()).toEqual([]);
    expect(
      processTable().filter(({ text }) => text.includes(' serve --supervised ') && text.includes(infer.dir)),
    ).toEqual([]);
    expect((await infer.run(['down', '--json'])).json()).toMatchObject({ outcome: 'not running' });
  });

  it('starts one worker for each GPU, and says when it does not run there', async () => {
    const posing = posingGpus(infer.dir);
    posing.set([{ uuid: posingUuid(1) }, { uuid: posingUuid(2) }]);
    const { ready, signal, exited } = await startJson([], { PATH: `${posing.dir}:${process.env.PATH}` });
    expect(ready.workers).toMatchObject([
      { name: 'up-gpu0', gpu: posingUuid(1) },
      { name: 'up-gpu1', gpu: posingUuid(2) },
    ]);
    expect(ready.missing.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['GPU_NOT_USED', 'GPU_NOT_USED']),
    );
    signal('SIGTERM');
    expect(await exited).toBe(0);
  });

  it('starts the workers of the configuration instead, with --config', async () => {
    const file = infer.file(
      'up.json',
      JSON.stringify({ workers: [{ name: 'rt', queues: ['realtime'], count: 2, args: ['--threads', '1'] }] }),
    );
    const { ready, signal, exited } = await startJson(['--config', file, '--no-dashboard']);
    expect([ready.dashboard, (await fetch(`${ready.url}/dashboard/`)).status]).toEqual([null, 404]);
    expect(ready.workers.map(({ name }) => name)).toEqual(['rt-1', 'rt-2']);
    signal('SIGTERM');
    expect(await exited).toBe(0);
  });
});

describe('infer up --detach and infer down', () => {
  it('runs in the background until infer down, and its workers belong to it', async () => {
    const detach = (...args: string[]) => infer.run(['up', '--detach', ...flags(), ...args], { env: ONE });
    const first = await detach('--json');
    const ready = first.json<Ready>();
    expect([first.exitCode, first.stdout]).toEqual([0, expect.stringMatching(/^\{.*\}\n$/)]);
    expect(await run(ready.url)).toMatchObject(DONE);

    const again = await detach();
    expect([again.exitCode, again.stdout]).toEqual([0, `${ready.url}\n`]);
    expect(again.stderr).toContain(`infer up runs already (pid ${ready.pid})`);
    const other = await detach('--allow-control');
    expect([other.exitCode, other.stderr]).toEqual([
      69,
      expect.stringContaining('infer up already runs here'),
    ]);
    expect((await infer.run(['up', ...flags()])).exitCode).toBe(69);

    const list = await infer.run(['workers', 'list']);
    expect(list.stdout).toMatch(/^up@.*\trunning\t.*\tinfer up\t/m);
    const stop = await infer.run(['workers', 'stop', '--json']);
    expect(stop.json()).toEqual({ workers: [] });
    expect(stop.stderr).toBe('only workers of infer up: infer down ends them\n');
    const restart = await infer.run(['workers', 'restart', 'up']);
    expect([restart.exitCode, restart.stderr]).toEqual([2, expect.stringContaining('belongs to infer up')]);

    const down = await infer.run(['down', '--json', '--as', 'ada']);
    expect([down.exitCode, down.json()]).toEqual([
      0,
      {
        pid: ready.pid,
        outcome: 'stopped',
        workers: [{ name: 'up', pid: ready.workers[0]?.pid, outcome: 'stopped' }],
        redisStopped: null,
      },
    ]);
    for (const pid of [ready.pid, ready.workers[0]?.pid as number]) expect(lives(pid)).toBe(false);
    await expect(fetch(ready.url)).rejects.toThrow();
    expect(existsSync(ready.logs.gateway)).toBe(true);
    const audit = await infer.run(['inspect', 'audit', '--json']);
    expect(audit.stdout).toMatch(/"action": "down"/);
    const none = await infer.run(['down']);
    expect([none.exitCode, none.stderr]).toEqual([0, 'infer up does not run on this host\n']);
  });

  it('passes the flags after -- on to its gateway, which refuses a wrong one', async () => {
    const detach = (...args: string[]) => infer.run(['up', '-qd', ...flags(), ...args], { env: ONE });
    const wrong = await detach('--', '--maximum', '9');
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      69,
      expect.stringContaining('there is no flag --maximum'),
    ]);
    const first = await detach('--', '--max-body', '1kb', '--require-model', 'other');
    const url = first.stdout.trim();
    expect([first.exitCode, first.stderr]).toEqual([0, '']);
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('other')]);
    const headers = { 'Content-Type': 'application/json' };
    const long = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: ' '.repeat(2000) });
    expect(long.status).toBe(413);

    expect(await detach('--', '--max-body', '1kb', '--require-model', 'other')).toMatchObject({
      exitCode: 0,
      stdout: first.stdout,
    });
    const running = expect.stringContaining('infer up already runs here');
    for (const others of [[], ['--'], ['--', '--max-body', '2kb', '--require-model', 'other']]) {
      expect(await detach(...others)).toMatchObject({ exitCode: 69, stderr: running });
    }
  });

  it('infer down ends at once when nothing runs: it loads no client of Redis', async () => {
    const filesOf = async (args: string[]): Promise<string[]> => {
      const dir = path.join(infer.dir, `loaded-${args[0]}`);
      expect((await infer.run(args, { env: { NODE_V8_COVERAGE: dir } })).exitCode).toBe(0);
      const texts = readdirSync(dir).map((name) => readFileSync(path.join(dir, name), 'utf8'));
      const urls = texts.flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result);
      return urls.map(({ url }) => url).filter((url) => url.startsWith('file:'));
    };
    const ofClient = (url: string) =>
      readFileSync(fileURLToPath(url), 'utf8').includes('max retries per request limit');
    expect((await filesOf(['inspect'])).filter(ofClient)).not.toEqual([]);
    expect((await filesOf(['down'])).filter(ofClient)).toEqual([]);
  });

  it('reports why it did not start', async () => {
    const failed = await infer.run(['up', '--detach', '--json', '--models', path.join(infer.dir, 'none')]);
    expect([failed.exitCode, failed.json()]).toMatchObject([66, { error: { code: 'MODELS_DIR' } }]);
    expect(failed.stdout).toMatch(/^\{.*\}\n$/);
  });
});

describe.skipIf(onDefaultPort.kind !== 'absent')("infer up with infer's own Redis", () => {
  const own = { redis: null };
  const status = async () =>
    (await infer.run(['redis', 'status', '--json'], own)).json<{ running: boolean; pid?: number }>();

  it('stops it again when the start fails, unless it holds work', async () => {
    const failing = () => infer.run(['up', ...flags(), '--', '--maximum', '9'], { env: ONE, ...own });
    const started = expect.stringContaining('✓ redis unix:');
    const first = await failing();
    expect([first.exitCode, first.stderr]).toEqual([69, started]);
    expect([first.stderr, await status()]).toMatchObject([
      expect.stringMatching(/✓ redis stopped/),
      { running: false },
    ]);
    const row = infer.file('row.jsonl', JSON.stringify({ x: [1, 2], turns: [0] }));
    const submit = await infer.run(['submit', row, '--model', 'slow', '--models', models], own);
    expect(submit.exitCode).toBe(0);
    await infer.run(['redis', 'stop'], own);
    const second = await failing();
    expect([second.exitCode, second.stderr]).toEqual([69, started]);
    expect(await status()).toMatchObject({ running: true });
    await infer.run(['control', 'purge', 'realtime', '--yes'], own);
    await infer.run(['redis', 'stop'], own);
  });

  it('starts it, starts it again when it dies, and leaves it running', async () => {
    const up = await startJson([], ONE, own);
    expect(up.ready.redis).toMatchObject({ source: 'embedded', started: true });
    const { pid } = await status();
    process.kill(pid as number, 'SIGKILL');
    await up.told(({ event }) => event === 'lost');
    await up.told(({ event, part }) => event === 'started' && part === 'redis');
    await up.told(({ event }) => event === 'back');
    expect(await runSoon(up.ready.url)).toMatchObject(DONE);
    up.signal('SIGTERM');
    expect(await up.exited).toBe(0);
    expect(await status()).toMatchObject({ running: true });
    const down = await infer.run(['down', '--with-redis', '--json'], own);
    expect([down.json(), await status()]).toMatchObject([{ redisStopped: true }, { running: false }]);
  });
});
