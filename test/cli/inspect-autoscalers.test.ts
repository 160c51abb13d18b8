import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../src/lib/deployment/problem.js';
import {
  type AutoscalerRecord,
  publishAutoscaler,
  removeAutoscaler,
} from '../../src/lib/queue/autoscalers.js';
import { autoscalersKey } from '../../src/lib/queue/keys.js';
import { aclRules } from '../../src/lib/redis/acl.js';
import { denials, setUser } from '../support/acl.js';
import { type Started, until, useInfer } from '../support/cli.js';
import { posingGpus, posingUuid } from '../support/gpus.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const PASSWORD = 'only-l00king';
const looker = () => ({
  redis: null,
  env: {
    INFER_REDIS_URL: `redis://looker@127.0.0.1:${redis.port}`,
    INFER_REDIS_PASSWORD: PASSWORD,
  },
});
interface Seen {
  autoscalers: AutoscalerRecord[];
  problems: Problem[];
}
/** What a read-only user is shown. */
const seen = async () => (await infer.run(['inspect', '--json'], looker())).json<Seen>();
const screen = async () => (await infer.run(['inspect'], looker())).stdout;
/** Problems of autoscalers only, not that no worker runs. */
const problems = async () => (await seen()).problems.filter(({ code }) => code.startsWith('AUTOSCALER'));

const started: Started[] = [];
function autoscale(...args: string[]): Started {
  const child = infer.start(['autoscale', '--gpus', 'none', '--interval', '200ms', '--json', ...args]);
  started.push(child);
  return child;
}

beforeAll(() => setUser(redis, 'looker', PASSWORD, aclRules('inspector', 'infer')));
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGTERM');
    await child;
  }
  await infer.run(['workers', 'stop', '--all', '--force']);
});

describe('infer inspect with autoscalers', () => {
  it('shows a running autoscaler: pool, bounds, slots by state, the last decision', async () => {
    const child = autoscale('-Q', 'rt', '--max', '2', '--policy', 'fixed:1', '--', '--model', 'digits');
    const record = await until(async () => {
      const [one] = (await seen()).autoscalers;
      return one?.workers[0]?.state === 'ready' ? one : undefined;
    });
    expect(record).toMatchObject({
      pool: 'rt',
      queues: ['rt'],
      pid: child.pid,
      policy: 'fixed:1',
      min: 1,
      max: 2,
      desired: 1,
      hold: null,
      reason: 'rt 1: fixed at 1',
      intervalMs: 200,
      troubles: [],
    });
    const lines = (await screen()).split('\n');
    const at = lines.indexOf('Autoscalers');
    expect(lines[at + 1]).toBe('POOL\tHOST\tPOLICY\tBOUNDS\tSLOTS\tWANTED\tDECIDED\tDECISION');
    const row = lines[at + 2]?.split('\t') as string[];
    expect(row.toSpliced(6, 1)).toEqual([
      'rt',
      record.host,
      'fixed:1',
      '1..2',
      '1 ready',
      '1',
      'rt 1: fixed at 1',
    ]);
    expect(row[6]).toMatch(/^[\d.]+ (ms|s)$/);
    expect(await problems()).toEqual([]);
    // After an orderly exit it disappears without a problem.
    child.kill('SIGTERM');
    expect((await child).exitCode).toBe(0);
    expect(await seen()).toMatchObject({ autoscalers: [] });
    expect(await problems()).toEqual([]);
    expect(await screen()).not.toContain('Autoscalers');
    expect(await denials(redis)).toEqual([]);
  });

  it('shows why no worker starts, with the last line of its log', async () => {
    void autoscale('-Q', 'bad', '--max', '1', '--', '--model', 'nope');
    const trouble = await until(async () => (await seen()).autoscalers[0]?.troubles[0]);
    expect(trouble).toMatchObject({ state: 'backing off', reason: expect.stringMatching(/^failure 1, /) });
    expect(trouble.last).toMatch(/^exit code 66 \| .*\S/);
    // If there is another slot, it is tried meanwhile.
    expect(await screen()).toMatch(/\t(1 starting, )?[12] backing off\t/);
    // It retries, so this is not a problem yet.
    expect(await problems()).toEqual([]);
  });

  it('reports slots given up, data that is too old, and a silent autoscaler', async () => {
    const client = await redis.client();
    const record: AutoscalerRecord = {
      id: 'far/rt-12345678',
      host: 'far',
      pid: 7,
      pool: 'rt',
      queues: ['rt'],
      policy: 'predictive',
      dryRun: false,
      min: 1,
      max: 4,
      targetWaitMs: 10_000,
      startedAt: Date.now() - 60_000,
      decidedAt: Date.now(),
      desired: 2,
      hold: null,
      reason: 'rt 1: no free slot \u001b[31mfor 1 more',
      workers: [],
      troubles: [
        {
          slot: 'GPU-a',
          state: 'failed',
          reason: '5 failures in a row',
          last: 'exit code 66 | Error: no models',
        },
      ],
    };
    await publishAutoscaler(client, 'infer', record);
    const text = await screen();
    expect(text).toContain(
      '! no worker starts on GPU-a of autoscaler rt on far: 5 failures in a row, the last: exit code 66 | Error: no models',
    );
    expect(text).toContain('Try: fix that and start infer autoscale -Q rt on far again');
    expect(text).not.toContain('\u001b');
    await publishAutoscaler(client, 'infer', {
      ...record,
      troubles: [],
      hold: 'stale',
      decidedAt: Date.now(),
    });
    expect(await problems()).toMatchObject([{ code: 'AUTOSCALER_HOLDS' }]);
    await publishAutoscaler(client, 'infer', { ...record, decidedAt: Date.now() - 20_000 });
    expect(await problems()).toMatchObject([{ code: 'AUTOSCALER_SILENT' }]);
    await removeAutoscaler(client, 'infer', record.id);
    // Its record has expired; that it existed is remembered for ten minutes.
    await client.zadd(autoscalersKey('infer'), String(Date.now() - 60_000), record.id);
    expect(await seen()).toMatchObject({ autoscalers: [] });
    expect(await problems()).toMatchObject([
      {
        code: 'AUTOSCALER_SILENT',
        message: expect.stringContaining('autoscaler far/rt-12345678 has been silent for 1m'),
        fix: 'infer autoscale on far takes its workers over',
      },
    ]);
    await client.zadd(autoscalersKey('infer'), String(Date.now() - 700_000), record.id);
    expect(await problems()).toEqual([]);
    await removeAutoscaler(client, 'infer', record.id);
  });
});

describe('infer inspect workers on GPUs', () => {
  it('shows memory and use of the GPU, summed over all its processes', async () => {
    const posing = posingGpus(infer.dir);
    posing.set([{ uuid: posingUuid(1), free: 10_240 }]);
    const env = { PATH: `${posing.dir}:${process.env.PATH}` };
    const pinned = await infer.worker(['-Q', 'g', '--model', 'digits', '--gpu', '0', '--name', 'pinned'], {
      env,
    });
    const plain = await infer.worker(['-Q', 'g', '--model', 'digits', '--name', 'plain']);
    type Rows = { workers: { name: string; gpuMemory: object | null }[] };
    const rows = await until(async () => {
      const { workers } = (await infer.run(['inspect', 'workers', '--json'], looker())).json<Rows>();
      return workers.some((one) => one.gpuMemory !== null) ? workers : undefined;
    });
    expect(rows.map(({ name, gpuMemory }) => [name, gpuMemory])).toEqual([
      ['pinned', { usedBytes: 30_720 * 2 ** 20, totalBytes: 40_960 * 2 ** 20, utilisation: 0.05 }],
      ['plain', null],
    ]);
    const { stdout } = await infer.run(['inspect', 'workers'], looker());
    const [head, ...lines] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')) as [string[], ...string[][]];
    const at = ['WORKER', 'GPU MEMORY', 'GPU USE'].map((title) => head.indexOf(title));
    expect(lines.map((line) => at.map((column) => line[column]))).toEqual([
      ['pinned', '30 GB of 40 GB', '5 %'],
      ['plain', '-', '-'],
    ]);
    await Promise.all([pinned.stop(), plain.stop()]);
  });
});
