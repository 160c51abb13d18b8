import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { BrokerResults } from '../../src/lib/queue/broker/result-store.js';
import { type JobDetail, readJobDetail } from '../../src/lib/queue/read/job-detail.js';
import type { RedisClient } from '../../src/lib/redis/types.js';
import { until, useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import { type DumpedKey, loadRedis, movedInTime } from '../support/redis-dump.js';

/** What infer left in Redis at commit 013bd24, before its layout had a number; see make-main.ts there. */
const FILE = new URL('../fixtures/layout-1/data.json', import.meta.url);
const QUEUES = ['realtime', 'batch', 'tries', 'other', 'stock', 'broken', 'held'];
const PREFIX = 'infer';

const redis = useRedis();
const infer = useInfer(redis);
let client: InferClient;
let reader: RedisClient;

/** The last time in the file: the heartbeat of a worker that lived to the end. */
function madeAt(keys: readonly DumpedKey[]): number {
  const workers = keys.find(({ key }) => key === `{${PREFIX}}:workers`);
  return workers?.type === 'zset' ? Number(workers.value[0]?.[1]) : Number.NaN;
}

beforeAll(async () => {
  const keys = JSON.parse(readFileSync(FILE, 'utf8')) as DumpedKey[];
  reader = await redis.client();
  await loadRedis(reader, movedInTime(keys, madeAt(keys), Date.now() - 60_000));
  client = await InferClient.open({
    prefix: PREFIX,
    modelsDir: undefined,
    resultTtl: 600,
    redis: redis.settings(),
  });
});
afterAll(() => client?.close());

async function detail(id: string): Promise<JobDetail> {
  const { queue } = await client.find(id);
  const found = await readJobDetail(reader, PREFIX, queue, id, new BrokerResults(reader, PREFIX));
  if (found === undefined) throw new Error(`no record of ${id}`);
  return found;
}

const states = async (ids: readonly string[]) =>
  Object.fromEntries(await Promise.all(ids.map(async (id) => [id, (await detail(id)).state])));

describe('data in Redis from an older infer, before layouts were numbered', () => {
  it('is shown by inspect', async () => {
    const all = (await infer.run(['inspect', '--json'])).json<{
      queues: { name: string; waiting: number }[];
    }>();
    expect(all.queues.find(({ name }) => name === 'realtime')).toMatchObject({ waiting: 8, delayed: 2 });
    const listed = await infer.run(['inspect', 'jobs', '--state', 'waiting', '-Q', 'realtime', '--json']);
    expect(JSON.stringify(listed.json())).toContain('"high"');
  });

  it('is readable: jobs in every state, with inputs, results, failures and timelines', async () => {
    const waiting = [
      'low',
      'high',
      'waiting-wide',
      'of-version-1',
      'to-be-moved',
      'half-moved',
      'deadline-far',
    ];
    expect(
      await states([
        ...[
          'done',
          'refused',
          'failed-in-part',
          'cancelled',
          'expired',
          'damaged',
          'held',
          'held-and-unwanted',
        ],
        ...['delayed-a-little', 'delayed-for-long', 'retried-by-hand', 'handed-back', 'in-a-paused-queue'],
        ...['of-stock-bullmq', 'of-another-model', ...waiting],
      ]),
    ).toEqual({
      done: 'completed',
      refused: 'failed',
      'failed-in-part': 'failed',
      cancelled: 'cancelled',
      expired: 'expired',
      damaged: 'failed',
      held: 'active',
      'held-and-unwanted': 'active',
      'delayed-a-little': 'delayed',
      'delayed-for-long': 'delayed',
      'retried-by-hand': 'waiting',
      'handed-back': 'waiting',
      'in-a-paused-queue': 'waiting',
      'of-stock-bullmq': 'waiting',
      'of-another-model': 'waiting',
      ...Object.fromEntries(waiting.map((id) => [id, 'waiting'])),
    });
    expect(await detail('high')).toMatchObject({ priority: 9, model: 'double', rows: 1, resultTtl: 86_400 });
    expect(await detail('waiting-wide')).toMatchObject({ input: { expiresInMs: null } });
    expect(await detail('of-version-1')).toMatchObject({ version: 1 });
    expect(await detail('held')).toMatchObject({ worker: 'w0', attempts: 1, priority: 4 });
    expect(await detail('held-and-unwanted')).toMatchObject({ cancelAsked: true });
    expect(await detail('tried-again')).toMatchObject({ failures: 1, failure: { code: 'RUN_FAILED' } });
    const { events } = (await detail('retried-by-hand')).timeline;
    expect(events.map(({ event }) => event)).toEqual([
      'submitted',
      ...['started', 'failed', 'requeued', 'started', 'returned', 'started', 'returned'],
    ]);
  });

  it('is readable: results of ended jobs and groups, whole and partial', async () => {
    expect(await client.result('done')).toMatchObject({ state: 'completed', result: { y: [3, 5, 7, 9] } });
    expect(await client.result('refused')).toMatchObject({ error: { code: 'INPUT_MISMATCH' } });
    expect(await client.result('failed-in-part')).toMatchObject({ rowsDone: 1, failedRows: [1] });
    const rows: unknown[] = [];
    for await (const { values = [] } of client.groupChunks(await client.group('group-done')))
      rows.push(...values);
    expect(rows).toHaveLength(300);
    expect(rows[299]).toEqual({ y: [599, 599, 599, 599] });
    const groups = ['group-done', 'group-waiting', 'group-open', 'group-cancelled', 'group-moved'];
    const read = await Promise.all(groups.map((id) => client.group(id)));
    expect(read.map(({ state, closed, jobs }) => [state, closed, jobs])).toEqual([
      ['completed', true, 2],
      ['waiting', true, 3],
      ['waiting', false, 16],
      ['failed', true, 2],
      ['waiting', true, 2],
    ]);
    expect(read[4]?.moved).toEqual({ 1: 'other' });
  });

  it('is processed: each job ends normally, and an open group can be resubmitted and completed', async () => {
    const models = path.join(infer.dir, 'models');
    writeModel(models, 'double', doubler(4));
    writeModel(models, 'wide', doubler(2048));
    const signature = await client.signatures.find('double');
    const writer = await client.openGroup(signature, { id: 'group-open', queue: 'batch' });
    for (let n = 0; n < 16; n++) {
      const data = new Uint8Array(Float32Array.from(Array.from({ length: 8 }, () => n)).buffer);
      await writer.write({ rows: 2, tensors: [{ name: 'x', type: 'float32', shape: [4], data }] });
    }
    expect(await writer.close()).toMatchObject({ jobs: 16, rows: 32 });
    await client.retry('failed-in-part');

    const env = { INFER_MODELS_DIR: models, INFER_LOCK_TTL: '1s' };
    const worker = await infer.worker(['--queues', QUEUES.join(',')], { env });
    const done = [
      'low',
      'high',
      'of-version-1',
      'to-be-moved',
      'half-moved',
      'delayed-a-little',
      'deadline-far',
    ];
    done.push('retried-by-hand', 'tried-again', 'handed-back', 'failed-in-part', 'waiting-wide', 'held');
    const groups = ['group-waiting', 'group-open', 'group-moved'];
    const limits = { timeoutMs: 100_000 };
    await Promise.all([
      ...done.map((id) => client.wait(id, limits)),
      ...groups.map((id) => client.waitGroup(id, limits)),
      ...['held-and-unwanted', 'deadline-passed', 'of-stock-bullmq'].map((id) => client.wait(id, limits)),
    ]);
    expect(await states(done)).toEqual(Object.fromEntries(done.map((id) => [id, 'completed'])));
    expect(await Promise.all(groups.map(async (id) => (await client.group(id)).state))).toEqual(
      groups.map(() => 'completed'),
    );
    expect(
      await states([
        ...['held-and-unwanted', 'deadline-passed', 'of-stock-bullmq', 'damaged', 'delayed-for-long'],
        ...['of-another-model', 'in-a-paused-queue'],
      ]),
    ).toEqual({
      'held-and-unwanted': 'cancelled',
      'deadline-passed': 'expired',
      'of-stock-bullmq': 'failed',
      damaged: 'failed',
      'delayed-for-long': 'delayed',
      'of-another-model': 'waiting',
      'in-a-paused-queue': 'waiting',
    });
    expect(await detail('held')).toMatchObject({ attempts: 2, losses: 1 });
    expect((await client.result('of-stock-bullmq')).error).toMatchObject({ code: 'NOT_OURS' });
    expect((await client.result('high')).result).toEqual({ y: [5, 5, 5, 5] });
    expect((await client.result('failed-in-part')).result).toEqual([
      { y: [3, 5, 7, 9] },
      { y: [11, 13, 15, 17] },
    ]);
    const left = await until(async () =>
      (await reader.llen(`{${PREFIX}:held}:held:active`)) === 0 ? [] : undefined,
    );
    expect(left).toEqual([]);
    expect(await worker.stop()).toBe(0);
  });
});
