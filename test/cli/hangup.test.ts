import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bullBase } from '../../src/lib/queue/keys.js';
import { redirected, until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { inspect } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { openTerminal, type Terminal } from '../support/terminal.js';
import { lives } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);
const terminals: Terminal[] = [];
let models: string;

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});
afterEach(() => Promise.all(terminals.splice(0).map((terminal) => terminal.close())));

function open(args: string[]): Terminal {
  const terminal = openTerminal(infer, redis.url, args);
  terminals.push(terminal);
  return terminal;
}

const workerArgs = (queue: string) => [
  ...['worker', '--threads', '1', '--models', models, '--model', 'slow'],
  ...['-Q', queue, '--name', `w-${queue}`],
];

/** Submits a job of about this many ms (much more on a busy machine) and waits until it is taken. */
async function atWork(queue: string, ms: number): Promise<string> {
  const input = JSON.stringify({ x: [1, 2], turns: [ms / 5] });
  const args = ['submit', '-', '--quiet', '-Q', queue, '--models', models, '--model', 'slow'];
  const { stdout } = await infer.run(args, { stdin: input });
  await holds(queue, 'active');
  return stdout.trim();
}

/** Waits until a list of the queue has its one job; asks Redis itself, since a job may be short. */
async function holds(queue: string, list: 'active' | 'prioritized'): Promise<void> {
  const client = await redis.client();
  const key = `${bullBase('infer', queue)}${list}`;
  const size = () => (list === 'active' ? client.llen(key) : client.zcard(key));
  await until(async () => ((await size()) === 1 ? true : undefined));
}

const registered = (name: string) =>
  until(async () => (await inspect(infer)).workers.find((worker) => worker.name === name));

const stateOf = async (id: string) => (await infer.run(['result', id, '--json'])).json();
const gone = (pid: number) => until(async () => (lives(pid) ? undefined : true));

describe('a worker', () => {
  it('ignores SIGHUP without a terminal, as under nohup', async () => {
    const child = infer.start(workerArgs('nohup'), { through: ['nohup'] });
    await registered('w-nohup');
    const id = await atWork('nohup', 400);
    for (let i = 0; i < 3; i++) child.kill('SIGHUP');
    const ended = await infer.run(['result', id, '--wait', '--json']);
    expect(ended.json()).toMatchObject({ state: 'completed', attempts: 1 });
    expect(lives(child.pid as number)).toBe(true);
    child.kill('SIGTERM');
    expect((await child).exitCode).toBe(0);
  });

  it.each([
    ['closed', (terminal: Terminal) => terminal.vanish()],
    ['closed, by SIGHUP alone', async (terminal: Terminal) => terminal.signal('SIGHUP')],
  ])('finishes its jobs and ends when its terminal is %s', async (how, close) => {
    const queue = how.length > 6 ? 'signal' : 'window';
    const terminal = open(workerArgs(queue));
    await registered(`w-${queue}`);
    const id = await atWork(queue, 400);
    const pid = terminal.pid();
    await close(terminal);
    await gone(pid);
    expect(await stateOf(id)).toMatchObject({ state: 'completed', attempts: 1 });
    expect((await inspect(infer)).workers).toEqual([]);
    if (queue === 'signal') expect((await terminal.ended).exitCode).toBe(0);
  });

  it('keeps working when its log is not writable', async () => {
    const child = infer.start(workerArgs('full'), { through: redirected('2>/dev/full') });
    await registered('w-full');
    const id = await atWork('full', 400);
    expect((await infer.run(['result', id, '--wait', '--json'])).json()).toMatchObject({
      state: 'completed',
      attempts: 1,
    });
    child.kill('SIGTERM');
    expect((await child).exitCode).toBe(0);
  });
});

describe('a command other than worker', () => {
  it.each([
    ['submit --wait', ['submit', ONE_DIGIT, '--model', 'digits', '-Q', 'none', '--wait'], 129],
    ['metrics', ['metrics', '--port', '0'], 0],
    ['inspect --watch', ['inspect', '--watch', '0.2'], 129],
    ['autoscale', ['autoscale', '-Q', 'none', '--dry-run', '--gpus', 'none'], 0],
  ])('ends on SIGHUP: %s', async (name, args, exitCode) => {
    const terminal = open(args);
    if (name === 'submit --wait') await holds('none', 'prioritized');
    else if (name === 'metrics')
      await until(async () => (terminal.screen.all.includes('ready:') ? true : undefined));
    else await terminal.shows(/infer|Autoscaler/);
    terminal.signal('SIGHUP');
    expect((await terminal.ended).exitCode).toBe(exitCode);
    expect(terminal.screen.all).not.toMatch(/Error|\bat .+:\d+:\d+/);
  });

  it.each([
    ['inspect --watch', ['inspect', '--watch', '0.2']],
    ['autoscale', ['autoscale', '-Q', 'none', '--dry-run', '--gpus', 'none']],
  ])('ends when its terminal closes: %s', async (_, args) => {
    const terminal = open(args);
    await terminal.shows(/infer|Autoscaler/);
    const pid = terminal.pid();
    await terminal.vanish();
    await gone(pid);
  });

  it('keeps running without a terminal', async () => {
    const child = infer.start(['submit', ONE_DIGIT, '--model', 'digits', '-Q', 'later', '--wait'], {
      through: ['nohup'],
    });
    await holds('later', 'prioritized');
    child.kill('SIGHUP');
    const worker = await infer.worker(['-Q', 'later', '--model', 'digits']);
    expect((await child).exitCode).toBe(0);
    await worker.stop();
  });
});
