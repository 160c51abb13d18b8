import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leaseKey } from '../../src/lib/queue/keys.js';
import { type Outcome, until, useInfer } from '../support/cli.js';
import { type PosingGpus, posingGpus, posingUuid } from '../support/gpus.js';
import { inspect } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { childrenOf } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const [FIRST, SECOND] = [posingUuid(1), posingUuid(2)];
let posing: PosingGpus;
let env: Record<string, string>;

beforeAll(() => {
  posing = posingGpus(infer.dir);
  env = { PATH: `${posing.dir}:${process.env.PATH}` };
});
beforeEach(() => posing.set([{ uuid: FIRST, free: 10_240 }, { uuid: SECOND }]));

const args = (gpu: string, name: string) => ['-Q', 'q', '--model', 'digits', '--gpu', gpu, '--name', name];
const worker = (gpu: string, name: string) => infer.worker(args(gpu, name), { env });
const refused = (gpu: string): Promise<Outcome> =>
  infer.run(['worker', '--json', ...args(gpu, 'late')], { env });
const runnerEnv = (pid: number) =>
  Object.fromEntries(
    readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)]),
  );
const errorOf = (run: Outcome) => run.json<{ error: { code: string; message: string } }>().error;

describe('a worker on a GPU', () => {
  it("pins its runner to that GPU only, and reports the GPU's memory", async () => {
    const one = await worker('0', 'pinned');
    const [runner] = childrenOf(one.pid);
    expect(runnerEnv(runner as number)).toMatchObject({
      CUDA_VISIBLE_DEVICES: '0',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    });
    await one.said(/not on the GPU: cuda: /);
    const record = await until(async () => {
      const [found] = (await inspect(infer)).workers as unknown as { gpuMemory?: object }[];
      return found?.gpuMemory === undefined ? undefined : found;
    });
    expect(record).toMatchObject({
      gpu: '0',
      gpuMemory: { usedBytes: 30_720 * 2 ** 20, totalBytes: 40_960 * 2 ** 20, utilisation: 0.05 },
    });
    await one.stop();
  });

  it('leases one GPU under its index and UUID alike; another GPU has another lease', async () => {
    const one = await worker('1', 'holder');
    const client = await redis.client();
    expect(JSON.parse((await client.get(leaseKey('infer', SECOND))) ?? '{}')).toMatchObject({
      worker: 'holder',
      pid: one.pid,
    });
    for (const gpu of ['1', SECOND, SECOND.slice(0, 12)]) {
      const run = await refused(gpu);
      expect([run.exitCode, errorOf(run)]).toMatchObject([
        69,
        { code: 'GPU_IN_USE', message: `GPU ${gpu} is in use by worker holder (pid ${one.pid})` },
      ]);
    }
    const shared = await infer.worker([...args('1', 'shared'), '--share-gpu'], { env });
    const other = await worker(FIRST, 'other');
    await Promise.all([other.stop(), shared.stop(), one.stop()]);
    expect(await client.keys('*:lease:*')).toEqual([]);
  });

  it('is refused a GPU that another worker leased at the same moment, and is told which', async () => {
    const pair = await Promise.allSettled([worker('0', 'at-once-1'), worker(FIRST, 'at-once-2')]);
    const [winner] = pair.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const [loser] = pair.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
    expect(loser).toMatch(/GPU \S+ is in use by worker at-once-[12] \(pid \d+\)/);
    expect(await winner?.stop()).toBe(0);
  });

  it('leaves its GPU to the next worker at once when it is killed', async () => {
    const first = await worker('0', 'killed');
    first.signal('SIGKILL');
    await first.exited;
    const next = await worker(FIRST, 'next');
    const client = await redis.client();
    expect(JSON.parse((await client.get(leaseKey('infer', FIRST))) ?? '{}')).toMatchObject({
      worker: 'next',
    });
    expect(await next.stop()).toBe(0);
  });

  it('leaves the GPU when its lease is lost: it stops its runner, returns its jobs and exits 69', async () => {
    const one = await worker('0', 'silent');
    const runners = childrenOf(one.pid);
    const client = await redis.client();
    // As after a data loss in Redis: another worker was faster.
    const held = JSON.parse((await client.get(leaseKey('infer', FIRST))) ?? '{}');
    await client.set(leaseKey('infer', FIRST), JSON.stringify({ ...held, id: 'w-other', worker: 'quicker' }));
    expect(await one.exited).toBe(69);
    expect(one.stderr).toMatch(/GPU 0 went to worker quicker/);
    for (const pid of runners) expect(() => process.kill(pid, 0)).toThrow();
    // Another worker's lease stays untouched.
    expect(JSON.parse((await client.get(leaseKey('infer', FIRST))) ?? '{}')).toMatchObject({ id: 'w-other' });
    await client.del(leaseKey('infer', FIRST));
    const names = (await inspect(infer)).workers.map((worker) => worker.name);
    expect(names).not.toContain('silent');
  });

  it('is refused when the GPU does not exist', async () => {
    const run = await refused('7');
    expect([run.exitCode, errorOf(run).code]).toEqual([69, 'GPU_UNKNOWN']);
    expect(run.json<{ error: { hint: string } }>().error.hint).toContain('0, 1');
  });

  it('reports a failing nvidia-smi and starts all the same', async () => {
    posing.say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9);
    const one = await worker('0', 'blind');
    await one.said(/couldn't communicate/);
    expect((await refused('0')).exitCode).toBe(69);
    await one.stop();
  });
});
