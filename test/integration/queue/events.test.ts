import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeAudit } from '../../../src/lib/queue/audit.js';
import { DataMark, readLosses } from '../../../src/lib/queue/data-mark.js';
import { AutoscalerEvents } from '../../../src/lib/queue/events/autoscaler-events.js';
import { readStates } from '../../../src/lib/queue/events/change-state.js';
import { FailureWatch } from '../../../src/lib/queue/events/failure-watch.js';
import { isEventCursor, readEvents } from '../../../src/lib/queue/events/read-events.js';
import type { DeploymentEvent, EventQuery } from '../../../src/lib/queue/events/types.js';
import { WorkerEvents } from '../../../src/lib/queue/events/worker-events.js';
import { writeEvent } from '../../../src/lib/queue/events/write-event.js';
import { auditKey, eventsKey, statesKey } from '../../../src/lib/queue/keys.js';
import { beat, listWorkers, removeWorker } from '../../../src/lib/queue/registry.js';
import { bucketAt } from '../../../src/lib/queue/work-stats.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { until } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/doctor/records.js';

const redis = useRedis();
let client: RedisClient;
let prefix: string;
let deployments = 0;
const now = 1_800_000_000_000;

beforeEach(async () => {
  client = await redis.client('command');
  prefix = `e${++deployments}`;
});
afterEach(async () => {
  await client.quit();
});

const events = async (query?: EventQuery): Promise<DeploymentEvent[]> =>
  (await readEvents(client, prefix, query)).events;
const kinds = async (query?: EventQuery): Promise<string[]> => (await events(query)).map(({ kind }) => kind);
const record = (id: string, name: string) => worker({ id, name, startedAt: now - 60_000, beatAt: now });
const compare = async (one: WorkerEvents, at = now) => one.compare(await listWorkers(client, prefix), at);

describe('events about workers', () => {
  it('are written once, by the worker or by the one that sees it first', async () => {
    const [own, other] = [new WorkerEvents(client, prefix), new WorkerEvents(client, prefix)];
    await beat(client, prefix, record('w1', 'gpu-1'));
    await compare(other);
    await own.arrived(record('w1', 'gpu-1'));
    await compare(own);
    const [started, ...more] = await events();
    expect(more).toEqual([]);
    expect(started).toMatchObject({
      kind: 'worker-started',
      subject: { kind: 'worker', name: 'gpu-1' },
      text: 'worker gpu-1 is ready on here (cpu): serves digits from q',
      alarm: false,
      data: { host: 'here', version: '1.0.0', device: 'cpu' },
    });
    await removeWorker(client, prefix, 'w1');
    await own.left(now);
    await own.left(now);
    await compare(other);
    expect(await kinds()).toEqual(['worker-started', 'worker-stopped']);
  });

  it('tell a worker that was lost from one that stopped, and say when it returns', async () => {
    const [own, other] = [new WorkerEvents(client, prefix), new WorkerEvents(client, prefix)];
    await beat(client, prefix, record('w1', 'gpu-1'));
    await own.arrived(record('w1', 'gpu-1'));
    // Its heartbeat expires.
    await removeWorker(client, prefix, 'w1');
    await Promise.all([compare(other), compare(other), compare(new WorkerEvents(client, prefix))]);
    const [, lost, ...more] = await events();
    expect(more).toEqual([]);
    expect(lost).toMatchObject({ kind: 'worker-lost', alarm: true });
    expect(lost?.text).toBe('worker gpu-1 on here, started 1m 0s ago, was lost: it sends no heartbeat');
    // It was only cut off.
    await beat(client, prefix, record('w1', 'gpu-1'));
    await compare(other);
    expect(await kinds()).toEqual(['worker-started', 'worker-lost', 'worker-returned']);
  });

  it('tell that Redis lost its data, once, and that workers which run on are known again', async () => {
    const writers = [new WorkerEvents(client, prefix), new WorkerEvents(client, prefix)];
    const mark = new DataMark(client, prefix, undefined, () => undefined);
    await mark.look();
    await client.flushall();
    await mark.look();
    const at = (await readLosses(client, prefix, []))[0]?.noticedAt as number;
    await beat(client, prefix, worker({ id: 'w1', name: 'gpu-1', startedAt: at - 525_000, beatAt: at }));
    for (const one of writers) await compare(one, at);
    const [lost, again, ...more] = await events();
    expect(more).toEqual([]);
    expect(lost).toMatchObject({ kind: 'data-lost', alarm: true, data: { loss: 'all' } });
    expect(lost?.text).toContain('Redis lost all data');
    expect(again?.kind).toBe('worker-returned');
    expect(again?.text).toBe('worker gpu-1 is registered again; it has run for 8m 45s');
    // Neither is it told again, nor taken for a worker that is gone.
    await compare(new WorkerEvents(client, prefix), at + 290_000);
    await compare(new WorkerEvents(client, prefix), at + 700_000);
    expect(await kinds()).toEqual(['data-lost', 'worker-returned']);
    expect([...(await readStates(client, prefix)).keys()]).toEqual(['w1']);
  });

  it('are not written for a heartbeat that has changed in the meantime', async () => {
    const one = new WorkerEvents(client, prefix);
    await beat(client, prefix, record('w1', 'gpu-1'));
    const seen = await listWorkers(client, prefix);
    await removeWorker(client, prefix, 'w1');
    await one.compare(seen, now);
    expect(await kinds()).toEqual([]);
    await beat(client, prefix, record('w1', 'gpu-1'));
    await one.compare(seen, now);
    await one.compare([], now);
    expect(await kinds()).toEqual(['worker-started']);
  });

  it('leave no trace of a worker five minutes after it has left', async () => {
    const one = new WorkerEvents(client, prefix);
    await beat(client, prefix, record('w1', 'gpu-1'));
    await one.arrived(record('w1', 'gpu-1'));
    await removeWorker(client, prefix, 'w1');
    await one.left(now);
    await compare(one, now + 299_000);
    expect((await readStates(client, prefix)).size).toBe(1);
    await compare(one, now + 301_000);
    expect((await readStates(client, prefix)).size).toBe(0);
    expect(await client.ttl(eventsKey(prefix))).toBeGreaterThan(13 * 86_400);
    expect(await client.exists(statesKey(prefix))).toBe(0);
  });
});

describe('a burst of failures', () => {
  const note = async (watch: FailureWatch, at: number, ended: number, failed: number) => {
    const one = { bucket: bucketAt(at), ended, failed, codes: { RUN_FAILED: failed } };
    await watch.note(new Map([['batch', [one]]]), await readStates(client, prefix), at);
  };

  it('begins once, with the most frequent code, and ends once', async () => {
    const watch = new FailureWatch(client, prefix);
    await note(watch, now, 40, 9);
    expect(await kinds()).toEqual([]);
    await note(watch, now + 10_000, 20, 6);
    await note(watch, now + 20_000, 20, 6);
    // Another worker writes from here on: it knows only what it sees itself.
    const next = new FailureWatch(client, prefix);
    await note(next, now + 30_000, 20, 20);
    expect(await kinds()).toEqual(['failures-began']);
    expect((await events())[0]).toMatchObject({
      subject: { kind: 'queue', name: 'batch' },
      text: '15 of 60 jobs of batch failed within a minute, most with RUN_FAILED',
      alarm: true,
      data: { code: 'RUN_FAILED', failed: '15', ended: '60' },
    });
    // 15 % of the last minute is between the two thresholds.
    await note(next, now + 40_000, 113, 0);
    expect(await kinds()).toEqual(['failures-began']);
    await note(next, now + 90_000, 100, 0);
    await note(next, now + 100_000, 100, 0);
    expect(await kinds()).toEqual(['failures-began', 'failures-ended']);
  });

  it('is none when few jobs fail, or a small share of many', async () => {
    const watch = new FailureWatch(client, prefix);
    await note(watch, now, 9, 9);
    await note(watch, now + 60_000, 1000, 100);
    expect(await kinds()).toEqual([]);
  });
});

describe('events of an autoscaler', () => {
  it('are its start, each other number of workers and its end', async () => {
    const told = new AutoscalerEvents(client, prefix);
    const decision = { id: 'h/batch', host: 'h', queues: ['batch'], min: 0, max: 4, reason: '12 jobs wait' };
    for (const desired of [1, 1, 3]) told.decided({ ...decision, desired });
    told.stopped({ ...decision, desired: 3 });
    await until(async () => (await kinds()).length === 3);
    const [started, scaled, stopped] = await events();
    expect(started?.text).toBe('autoscaler of batch has started, for 0 to 4 workers');
    expect(scaled?.text).toBe('autoscaler of batch wants 3 workers instead of 1: 12 jobs wait');
    expect(scaled?.data).toMatchObject({ desired: '3', before: '1' });
    expect(stopped?.kind).toBe('autoscaler-stopped');
  });
});

describe('reading events', () => {
  const write = (text: string) =>
    writeEvent(client, prefix, {
      kind: 'scaled',
      subject: { kind: 'autoscaler', name: 'x' },
      text,
      alarm: false,
      data: {},
    });
  const audit = (action: string, log: 'operators' | 'jobs' = 'operators', outcome: 'ok' | 'failed' = 'ok') =>
    writeAudit(
      client,
      prefix,
      {
        ...{
          who: 'alice',
          host: 'h',
          channel: 'cli' as const,
          action,
          target: 'batch',
          detail: '',
          count: 1,
        },
        ...{ outcome, code: outcome === 'ok' ? null : 'QUEUE_UNKNOWN', result: 'done' },
      },
      log,
    );
  const texts = (some: readonly DeploymentEvent[]) => some.map(({ text }) => text);

  it('puts changes of both audit logs among them, in order of time', async () => {
    await write('one');
    await audit('pause');
    await audit('cancel', 'jobs', 'failed');
    await write('two');
    const all = await events();
    // Within a millisecond, the order is that of the streams.
    expect(texts(all).sort()).toEqual([
      'alice: cancel batch: done',
      'alice: pause batch: done',
      'one',
      'two',
    ]);
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort());
    expect(new Set(all.map(({ id }) => id)).size).toBe(4);
    expect(all.find(({ text }) => text.includes('pause'))).toMatchObject({
      kind: 'change',
      subject: { kind: 'queue', name: 'batch' },
      alarm: false,
      data: { who: 'alice', action: 'pause', outcome: 'ok' },
    });
    expect(all.find(({ text }) => text.includes('cancel'))).toMatchObject({
      alarm: true,
      data: { code: 'QUEUE_UNKNOWN' },
    });
    expect(await kinds({ kinds: ['change'] })).toEqual(['change', 'change']);
  });

  it('continues after a cursor without missing or repeating any, a few at a time', async () => {
    await write('past');
    const first = await readEvents(client, prefix, { limit: 1 });
    expect(texts(first.events)).toEqual(['past']);
    const written: string[] = [];
    for (let i = 0; i < 7; i++) {
      await write(`w${i}`);
      await audit(`a${i}`, i % 2 === 0 ? 'jobs' : 'operators');
      written.push(`w${i}`, `alice: a${i} batch: done`);
    }
    const seen: string[] = [];
    let { cursor } = first;
    for (;;) {
      const page = await readEvents(client, prefix, { after: cursor, limit: 3 });
      if (page.events.length === 0) break;
      expect(page.events.length).toBeLessThanOrEqual(3);
      seen.push(...texts(page.events));
      cursor = page.cursor;
    }
    expect(seen.sort()).toEqual(written.sort());
  });

  it('starts from an empty deployment, and at a time', async () => {
    const { events: none, cursor } = await readEvents(client, prefix);
    expect(none).toEqual([]);
    expect(isEventCursor(cursor)).toBe(true);
    await write('new');
    expect(texts(await events({ after: cursor }))).toEqual(['new']);
    const [{ at } = { at: 0 }] = await events();
    expect(await kinds({ since: at + 1 })).toEqual([]);
    expect(await kinds({ since: at })).toEqual(['scaled']);
    // What is followed from here on is only what comes.
    for (const query of [{ since: at + 1 }, { limit: 0 }]) {
      const page = await readEvents(client, prefix, query);
      expect(page.events).toEqual([]);
      expect(await events({ after: page.cursor })).toEqual([]);
    }
    for (const text of ['', 'x', '1-0', '1-0:2-0:x', '+:-:+']) expect(isEventCursor(text), text).toBe(false);
  });

  it('treats a key of another type as empty', async () => {
    await client.set(auditKey(prefix), 'text');
    await write('one');
    expect(texts(await events())).toEqual(['one']);
  });

  it('keeps about 5,000', async () => {
    const fields = ['kind', 'scaled', 'text', 'old'];
    for (let i = 0; i < 6000; i++) void client.xadd(eventsKey(prefix), '*', ...fields);
    await write('newest');
    expect(await client.xlen(eventsKey(prefix))).toBeLessThan(5200);
    expect(texts(await events({ limit: 1 }))).toEqual(['newest']);
  });
});
