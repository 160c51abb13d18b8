import { afterAll, beforeAll, expect, it } from 'vitest';
import { readEvents } from '../../../src/lib/queue/events/read-events.js';
import { listSeries, readHistory } from '../../../src/lib/queue/history/read-history.js';
import { HOUR_MS, MINUTE_MS, startOf } from '../../../src/lib/queue/history/series.js';
import { HistoryWriter } from '../../../src/lib/queue/history/writer.js';
import { beat, registerQueues, removeWorker } from '../../../src/lib/queue/registry.js';
import { bucketAt, WorkFigures, writeWorkStats } from '../../../src/lib/queue/work-stats.js';
import { closeClient, connect } from '../../../src/lib/redis/connect.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { startCluster, type TestCluster } from '../../support/cluster.js';
import { worker } from '../../unit/doctor/records.js';

const PREFIX = 'far';
let cluster: TestCluster;
let client: RedisClient;

beforeAll(async () => {
  cluster = await startCluster();
  const target = { url: cluster.url, label: cluster.url, source: 'flag' as const };
  client = await connect(target, 'command', {
    url: cluster.url,
    connectTimeoutMs: 3000,
    stateDir: '/nowhere',
    autostart: false,
  });
});
afterAll(async () => {
  if (client !== undefined) await closeClient(client);
  await cluster?.stop();
});

it('the history of queues on all nodes of a Cluster is written and read; every script has keys of one slot', async () => {
  const queues = ['q1', 'q2', 'q3', 'q4', 'q5'];
  let now = startOf(Date.now(), HOUR_MS) - HOUR_MS + 50 * MINUTE_MS;
  const record = worker({ id: 'w', name: 'far-1', startedAt: now, beatAt: now });
  await registerQueues(client, PREFIX, queues);
  await beat(client, PREFIX, record);
  const figures = new WorkFigures();
  figures.jobs.completed = 3;
  figures.ofModel('digits').jobs.completed = 3;
  const buckets = queues.map((queue) => ({ queue, bucket: bucketAt(now), figures }));
  await writeWorkStats(client, PREFIX, 'w', { buckets, totals: new Map() });
  const writer = new HistoryWriter({ client, prefix: PREFIX, id: 'w', clock: { now: () => now } });
  await writer.started(record);
  await writer.look();
  for (let i = 0; i < 36; i++) {
    now += 20_000;
    // Its heartbeat expires in real time.
    await beat(client, PREFIX, record);
    await writer.look();
  }
  await removeWorker(client, PREFIX, 'w');
  await writer.stop();
  const all = await readHistory(client, PREFIX, { kind: 'all', range: '24h' });
  expect(all.total.jobs.completed).toBe(15);
  const days = await readHistory(client, PREFIX, { kind: 'model', name: 'digits', range: '14d' });
  expect(days.total.jobs.completed).toBe(15);
  expect((await listSeries(client, PREFIX)).map(({ kind }) => kind)).toHaveLength(8);
  const { events } = await readEvents(client, PREFIX);
  expect(events.map(({ kind }) => kind)).toEqual(['worker-started', 'worker-stopped']);
});
