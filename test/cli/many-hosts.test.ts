import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AutoscalerRecord, readAutoscalers } from '../../src/lib/queue/autoscalers.js';
import { type Started, until, useInfer } from '../support/cli.js';
import { startCluster, type TestCluster } from '../support/cluster.js';
import { posingHost } from '../support/hosts.js';
import { slow, writeModel } from '../support/onnx-builder.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { childrenOf, lives } from '../support/worker.js';

/** About half a second of a run. */
const TURNS = 100;

interface Row {
  name: string;
  state: string;
  pid: number;
}

let redis: TestRedis;
let cluster: TestCluster;
beforeAll(async () => {
  [redis, cluster] = await Promise.all([startRedis({ port: true }), startCluster()]);
});
afterAll(async () => {
  await Promise.all([redis.stop(), cluster.stop()]);
});
// After the hooks of the servers, so that its processes end first.
const infer = useInfer();
let models: string;
beforeAll(() => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'slow', slow());
});

/** One host: what runs there, along with other hosts, against one Redis and one state directory. */
function host(name: string, url: () => string) {
  const autoscalers: Started[] = [];
  const env = () => ({ ...posingHost(infer, name), INFER_REDIS_URL: url(), INFER_LOCK_TTL: '2s' });
  const json = async <T>(...args: string[]) =>
    (await infer.run([...args, '--json'], { env: env() })).json<T>();
  const rows = async () => (await json<{ workers: Row[] }>('workers', 'list')).workers;
  return {
    name,
    json,
    rows,
    running: async (count: number) =>
      until(async () => {
        const found = await rows();
        return found.length === count && found.every((row) => row.state === 'running') ? found : undefined;
      }, 25_000),
    autoscale: (...args: string[]): Started => {
      const flags = ['--gpus', 'none', '--interval', '200ms', ...args];
      const worker = ['--models', models, '--model', 'slow', '--threads', '1', '--max-batch', '1'];
      const child = infer.start(['autoscale', ...flags, '--', ...worker], { env: env() });
      autoscalers.push(child);
      return child;
    },
    submit: async (queue: string, jobs: number, turns = TURNS) => {
      const stdin = JSON.stringify({ x: [1, 2], turns: [turns] });
      const args = ['submit', '-', '--quiet', '-Q', queue, '--models', models, '--model', 'slow'];
      const one = () => infer.run(args, { stdin, env: env() });
      return (await Promise.all(Array.from({ length: jobs }, one))).map(({ stdout }) => stdout.trim());
    },
    end: async () => {
      for (const child of autoscalers.splice(0)) {
        child.kill('SIGTERM');
        await child;
      }
      await infer.run(['workers', 'stop', '--all', '--force'], { env: env() });
      expect(await rows()).toEqual([]);
    },
  };
}
type Host = ReturnType<typeof host>;

interface Ended {
  id: string;
  state: string;
  attempts: number;
  worker: string;
}
const results = (from: Host, ids: readonly string[]) =>
  Promise.all(
    ids.map((id) =>
      until(async () => {
        const one = await from.json<Ended>('result', id);
        return one.state === 'completed' ? one : undefined;
      }, 25_000),
    ),
  );
const hostsOf = (ended: readonly Ended[]) =>
  [...new Set(ended.map((one) => one.worker.split('@')[1]))].sort();

describe('autoscalers on two hosts that share a Redis', () => {
  const alpha = host('alpha', () => redis.url);
  const beta = host('beta', () => redis.url);
  afterEach(async () => {
    await alpha.end();
    await beta.end();
  });
  const records = async (what: (all: AutoscalerRecord[]) => boolean) =>
    until(async () => {
      const { autoscalers: all } = await readAutoscalers(await redis.client(), 'infer', Date.now());
      return what(all) ? all : undefined;
    }, 25_000);

  it('run separate fleets that count each other, and replace the workers of a dead host', async () => {
    alpha.autoscale('-Q', 'rt', '--policy', 'fixed:2', '--max', '2');
    await alpha.running(2);
    // Two are wanted and two exist: beta keeps its --min, and alpha drains one for it.
    const second = beta.autoscale('-Q', 'rt', '--policy', 'fixed:2', '--max', '2');
    const [there] = await beta.running(1);
    const [here] = await alpha.running(1);
    const both = await records((all) => all.length === 2 && all.every((one) => one.workers.length === 1));
    expect(both.map((one) => [one.host, one.workers[0]?.name])).toEqual([
      ['alpha', here === undefined ? '' : `${here.name}@alpha`],
      ['beta', 'autoscaled-1@beta'],
    ]);
    const seen = (await alpha.json<{ workers: { name: string; host: string }[] }>('inspect')).workers;
    expect(seen.map((one) => one.host).sort()).toEqual(['alpha', 'beta']);
    const ended = await results(alpha, await alpha.submit('rt', 6));
    expect(hostsOf(ended)).toEqual(['alpha', 'beta']);
    expect(ended.every((one) => one.attempts === 1)).toBe(true);

    // beta loses power while holding jobs: its processes end without a shutdown.
    const held = await alpha.submit('rt', 4, 2 * TURNS);
    await until(async () => {
      const { workers } = await alpha.json<{ workers: { host: string; active: unknown[] }[] }>('inspect');
      return workers.some((one) => one.host === 'beta' && one.active.length > 0) || undefined;
    });
    const pid = there?.pid as number;
    for (const one of [second.pid as number, ...childrenOf(pid), pid]) process.kill(one, 'SIGKILL');
    await until(async () => (lives(pid) ? undefined : true));
    await alpha.running(2);
    expect(hostsOf((await results(alpha, held)).slice(-1))).toEqual(['alpha']);
    // What died there is reported there, and nothing is done about it from here.
    expect((await beta.rows()).map((row) => [row.name, row.state])).toEqual([['autoscaled-1', 'dead']]);
  });

  it('list and stop only workers of their own host', async () => {
    alpha.autoscale('-Q', 'rt', '--max', '1');
    const [own] = await alpha.running(1);
    expect(await beta.rows()).toEqual([]);
    expect(await beta.json('workers', 'stop', '--all')).toMatchObject({ workers: [] });
    expect(await alpha.running(1)).toEqual([expect.objectContaining({ pid: own?.pid })]);
  });
});

describe('two hosts on Redis Cluster, with queues on different shards', () => {
  const alpha = host('alpha', () => cluster.url);
  const beta = host('beta', () => cluster.url);
  afterEach(async () => {
    await alpha.end();
    await beta.end();
  });

  it('see the jobs and workers of all shards in inspect and autoscale', async () => {
    const homes = await Promise.all(['realtime', 'batch'].map((queue) => cluster.nodeOf(`{infer:${queue}}`)));
    expect(homes[0]?.port).not.toBe(homes[1]?.port);
    alpha.autoscale('-Q', 'realtime,batch', '--max', '2', '--target-wait', '500ms', '--threshold', '3');
    await alpha.running(1);
    const ids = (await Promise.all(['realtime', 'batch'].map((queue) => alpha.submit(queue, 8)))).flat();
    // A single shard would show only one of the queues.
    await alpha.running(2);
    beta.autoscale('-Q', 'realtime', '--max', '1');
    await beta.running(1);
    const ended = await results(beta, ids);
    expect(ended.every((one) => one.attempts === 1)).toBe(true);
    const { queues, workers } = await beta.json<{
      queues: { name: string; completed: number; waiting: number }[];
      workers: { name: string; host: string }[];
    }>('inspect');
    expect(queues.map(({ name, completed, waiting }) => [name, completed, waiting]).sort()).toEqual([
      ['batch', 8, 0],
      ['realtime', 8, 0],
    ]);
    // Alpha has one or two: beta's worker counts there, and one of its own may have been drained for it.
    expect(new Set(workers.map((one) => one.host))).toEqual(new Set(['alpha', 'beta']));
    expect((await cluster.errors()).get('CROSSSLOT')).toBeUndefined();
  });

  it('hold while a shard is unreachable, and resume', async () => {
    const fleet = alpha.autoscale('-Q', 'realtime,batch', '--policy', 'fixed:1', '--max', '1', '--json');
    let text = '';
    fleet.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const said = (what: RegExp) => until(async () => what.exec(text) ?? undefined, 25_000);
    const [before] = await alpha.running(1);
    await said(/"hold":null/);
    const home = await cluster.nodeOf('{infer:batch}');
    await home.kill();
    await said(/"hold":"unreachable"/);
    await home.restart();
    await cluster.whole();
    text = '';
    await said(/"hold":null/);
    expect((await alpha.running(1)).map((row) => row.pid)).toEqual([before?.pid]);
  });
});
