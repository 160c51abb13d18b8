import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { statsKey, workKey, workTotalsKey } from '../../../src/lib/queue/keys.js';
import { snapshotQueue } from '../../../src/lib/queue/read/inspector.js';
import { removeWorker } from '../../../src/lib/queue/registry.js';
import {
  bucketAt,
  readQueueStats,
  readWorkerTotals,
  WorkFigures,
  type WorkReport,
  writeWorkStats,
} from '../../../src/lib/queue/work-stats.js';
import { startRedis, useRedis } from '../../support/redis.js';
import { idsOf, PREFIX, QueueKit, takeOne } from './queue-kit.js';

const redis = useRedis();
let kit: QueueKit;
beforeEach(async () => {
  kit = await QueueKit.open(redis);
});
afterEach(() => kit.close());

/** Jobs with these waits, one micro-batch each. */
function figures(...waits: number[]): WorkFigures {
  const made = new WorkFigures();
  for (const wait of waits) {
    made.jobs.completed += 1;
    made.rows += 2;
    made.wait.add(wait);
    made.run.add(wait / 10);
    made.total.add(wait * 1.1);
    made.addBatch(2, 'idle');
  }
  return made;
}

const write = (id: string, buckets: WorkReport['buckets'], totals = new Map<string, WorkFigures>()) =>
  writeWorkStats(kit.client, PREFIX, id, { buckets, totals });
const read = (now: number) => readQueueStats(kit.client, PREFIX, kit.queue, now);

describe("a queue's statistics of the last minute", () => {
  const now = 1_700_000_005_000;
  const bucket = bucketAt(now);

  it('are the sum of its workers and buckets, sketches included', async () => {
    const { queue } = kit;
    await write('a', [
      { queue, bucket, figures: figures(10, 20) },
      { queue, bucket: bucket - 1, figures: figures(30) },
    ]);
    await write('b', [{ queue, bucket, figures: figures(1000) }]);
    const { total, byWorker, windowMs } = await read(now);
    expect(windowMs).toBe(15_000);
    expect(total.toJSON()).toEqual(figures(10, 20, 30, 1000).toJSON());
    expect(byWorker.get('a')?.toJSON()).toEqual(figures(10, 20, 30).toJSON());
    expect(byWorker.get('b')?.wait.max).toBe(1000);
    expect(total.closed).toEqual({ idle: 4 });
  });

  it("use a worker's newest write per bucket, and drop old buckets", async () => {
    const { queue } = kit;
    await write('a', [{ queue, bucket, figures: figures(10) }]);
    await write('a', [{ queue, bucket, figures: figures(10, 20) }]);
    await write('a', [{ queue, bucket: bucket - 6, figures: figures(7, 7, 7) }]);
    const { total, windowMs } = await read(now);
    expect(total.jobs.completed).toBe(2);
    expect(windowMs).toBe(5000);
    expect((await read(now + 60_000)).total.isEmpty).toBe(true);
  });

  it('ignore invalid data, and are empty where nothing was done', async () => {
    const { queue, client, tag } = kit;
    await write('a', [{ queue, bucket, figures: figures(10) }]);
    await client.hset(workKey(tag, bucket), { b: 'no json', c: '{"jobs":7}', d: '[]', e: 'null' });
    const { byWorker } = await read(now);
    expect([...byWorker.keys()]).toEqual(['a']);
    const nothing = await readQueueStats(client, PREFIX, 'nobody', now);
    expect([nothing.total.ended, nothing.byWorker.size, nothing.windowMs]).toEqual([0, 0, 55_000]);
  });

  it('expire automatically', async () => {
    await write('a', [{ queue: kit.queue, bucket, figures: figures(1) }]);
    const ttl = await kit.client.ttl(workKey(kit.tag, bucket));
    expect(ttl).toBeGreaterThan(60);
    expect(ttl).toBeLessThanOrEqual(120);
  });
});

describe('statistics by model', () => {
  const whole = (json: WorkFigures): WorkFigures => WorkFigures.from(JSON.parse(JSON.stringify(json)));
  const done = (into: WorkFigures, model: string, ms: number): void => {
    for (const figures of [into, into.ofModel(model)]) {
      figures.jobs.completed += 1;
      figures.rows += 1;
      figures.run.add(ms);
      figures.addBatch(1, 'idle');
    }
  };

  it('survive a round trip, and a single model costs only its name', () => {
    const one = new WorkFigures();
    for (let i = 1; i <= 50; i++) done(one, 'digits', i);
    const none = figures(...Array.from({ length: 50 }, (_, i) => i + 1));
    expect(JSON.stringify(one).length).toBeLessThan(JSON.stringify(none).length + 40);
    expect(whole(one).models.get('digits')?.run.toJSON()).toEqual(one.run.toJSON());
    done(one, 'ocr', 7);
    one.addFailure('TIME_LIMIT');
    one.ofModel('ocr').addFailure('TIME_LIMIT');
    const back = whole(one);
    expect([...back.models.keys()]).toEqual(['digits', 'ocr']);
    expect(back.models.get('ocr')?.codes).toEqual({ TIME_LIMIT: 1 });
    expect(back.toJSON()).toEqual(one.toJSON());
  });

  it('are added by name; a record without them is read as before', () => {
    const [a, b] = [new WorkFigures(), new WorkFigures()];
    done(a, 'digits', 1);
    done(b, 'digits', 3);
    done(b, 'ocr', 5);
    const sum = new WorkFigures();
    for (const part of [a, b, figures(9)]) sum.merge(part);
    expect(sum.jobs.completed).toBe(4);
    expect(sum.models.get('digits')?.rows).toBe(2);
    expect(sum.models.get('digits')?.run.max).toBe(3);
    expect(whole(figures(9)).models.size).toBe(0);
  });

  it('stay small, however many models and codes there are', () => {
    const many = new WorkFigures();
    for (let i = 0; i < 500; i++) {
      for (let ms = 1; ms < 100_000; ms *= 1.5) done(many, `model-${i}`, ms);
      many.addFailure(`CODE_${i}`);
    }
    many.addFailure('<script>');
    expect(many.models.size).toBe(17);
    expect(many.ofModel('(other)').rows).toBe(many.rows - 16 * (many.rows / 500));
    expect(Object.keys(many.codes)).toHaveLength(17);
    expect(many.codes.OTHER).toBe(485);
    expect(JSON.stringify(many).length).toBeLessThan(64 * 1024);
  });
});

describe("a worker's totals", () => {
  it('are per queue, live as long as its heartbeat, and expire with it', async () => {
    const { queue, client } = kit;
    const totals = new Map([
      [queue, figures(10, 20)],
      ['other', figures(5)],
    ]);
    const bucket = bucketAt(Date.now());
    await write('t', [{ queue, bucket, figures: figures(20) }], totals);
    const key = workTotalsKey(PREFIX, 't');
    expect(await client.pttl(key)).toBeLessThanOrEqual(15_000);
    const read = await readWorkerTotals(client, PREFIX, ['t', 'unknown']);
    expect([...read.keys()]).toEqual(['t']);
    expect(read.get('t')?.get(queue)?.toJSON()).toEqual(figures(10, 20).toJSON());
    expect(read.get('t')?.get('other')?.rows).toBe(2);
    await removeWorker(client, PREFIX, 't');
    expect(await client.exists(key)).toBe(0);
  });

  it('are kept while idle, and rewritten after Redis lost them', async () => {
    const totals = new Map([[kit.queue, figures(10)]]);
    const key = workTotalsKey(PREFIX, 'idle');
    await write('idle', [], totals);
    await kit.client.pexpire(key, 50);
    await write('idle', [], new Map());
    expect(await kit.client.pttl(key)).toBeGreaterThan(1000);
    expect(await kit.client.get(key)).toContain(kit.queue);
  });
});

describe('arrival counts', () => {
  const added = async () => {
    const keys = [0, 1].map((back) => statsKey(kit.tag, bucketAt(Date.now()) - back));
    const counts = await Promise.all(keys.map((key) => kit.client.hget(key, 'a')));
    return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
  };

  it('include each job once, without duplicates, and are complete after close', async () => {
    const jobs = Array.from({ length: 5 }, () => ({ spec: kit.spec(), input: Buffer.from('x') }));
    for (const job of jobs) await kit.producer.submit(kit.queue, [job], false);
    await kit.producer.submit(kit.queue, jobs.slice(0, 2), true);
    await kit.producer.close();
    expect(await added()).toBe(5);
    const { arrivalsPerSecond } = await snapshotQueue(kit.client, PREFIX, kit.queue, Date.now());
    expect(arrivalsPerSecond).toBeGreaterThanOrEqual(5 / 20);
    expect(await kit.client.ttl(statsKey(kit.tag, bucketAt(Date.now())))).toBeGreaterThan(60);
  });

  it('cost a second of submits two commands in total', async () => {
    const admin = await redis.client();
    const calls = async () => {
      const info = await admin.info('commandstats');
      return Number(/cmdstat_hincrby:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    const before = await calls();
    for (let i = 0; i < 50; i++) await kit.submit({});
    await kit.producer.close();
    expect((await calls()) - before).toBeLessThanOrEqual(4);
    expect(await added()).toBe(50);
  });

  it('include jobs that are retried by hand', async () => {
    const consumer = await kit.consumer();
    const ids = await kit.submit({});
    const job = await takeOne(consumer);
    await consumer.settle([
      {
        kind: 'failed',
        job,
        failure: { code: 'X', message: 'x' },
        meta: { worker: 'w', device: 'cpu', attempts: 1, queueMs: 0, runMs: 0, totalMs: 0 },
      },
    ]);
    await kit.producer.retry(kit.queue, ids);
    await kit.producer.close();
    expect(await added()).toBe(2);
    expect(idsOf(await consumer.take(1))).toEqual(ids);
  });

  it('do not delay a close for long when Redis is unreachable', async () => {
    const server = await startRedis();
    const client = await server.client('worker');
    const producer = new Producer(client, PREFIX, kit.clock);
    for (let i = 0; i < 2; i++) {
      await producer.submit(kit.queue, [{ spec: kit.spec(), input: Buffer.from('x') }], false);
    }
    await server.kill();
    const began = performance.now();
    await producer.close();
    expect(performance.now() - began).toBeLessThan(9000);
    await server.stop();
  });
});
