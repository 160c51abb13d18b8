import { afterEach, describe, expect, it } from 'vitest';
import { Scraper } from '../../../src/lib/metrics/scraper.js';
import { queuesKey } from '../../../src/lib/queue/keys.js';
import { beat } from '../../../src/lib/queue/registry.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { exposedValue, parseExposition } from '../../support/exposition.js';
import { useRedis } from '../../support/redis.js';
import { worker } from '../../unit/doctor/records.js';

const redis = useRedis();
const open = new Set<Scraper>();

function scraper(change: Partial<ConstructorParameters<typeof Scraper>[0]> = {}): Scraper {
  const made = new Scraper({
    settings: redis.settings(),
    prefix: 'infer',
    version: '0.0.0',
    timeoutMs: 2000,
    fromZero: false,
    ...change,
  });
  open.add(made);
  return made;
}

afterEach(async () => {
  await Promise.all([...open].map((each) => each.close()));
  open.clear();
});

const metricsOf = async (of: Scraper) => parseExposition((await of.text()).text);

describe('scrapes of Redis', () => {
  it('share one read when they come at the same moment', async () => {
    const shared = scraper();
    const texts = await Promise.all(Array.from({ length: 8 }, () => shared.text()));
    expect(exposedValue(parseExposition(texts[7]?.text ?? ''), 'infer_scrapes_total')).toBe(1);
    expect(exposedValue(await metricsOf(shared), 'infer_scrapes_total')).toBe(2);
  });

  it('use one connection, and reconnect after it was lost', async () => {
    const each = scraper();
    const admin = await redis.client();
    const connections = async () => String(await admin.client('LIST')).match(/name=infer-command/g)?.length;
    const before = await connections();
    await each.text();
    await each.text();
    expect(await connections()).toBe((before ?? 0) + 1);
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(exposedValue(await metricsOf(each), 'infer_up')).toBe(1);
  });

  it('export 200 queues at most and the number of omitted ones', async () => {
    const admin = await redis.client();
    const names = Array.from({ length: 205 }, (_, at) => `q${String(at).padStart(3, '0')}`);
    await admin.hset(queuesKey('many'), ...names.flatMap((name) => [name, '{}']));
    const all = scraper({ prefix: 'many', timeoutMs: 20_000 });
    const metrics = await metricsOf(all);
    expect(exposedValue(metrics, 'infer_hidden_queues')).toBe(5);
    expect(metrics.get('infer_queue_paused')?.samples).toHaveLength(200);
    // A later one displaces none, whatever its name.
    await admin.hset(queuesKey('many'), 'a-new', '{}');
    const later = await metricsOf(all);
    expect(exposedValue(later, 'infer_hidden_queues')).toBe(6);
    expect(exposedValue(later, 'infer_queue_paused', { queue: 'q199' })).toBe(0);
    expect(exposedValue(later, 'infer_queue_paused', { queue: 'a-new' })).toBeUndefined();
    const some = await metricsOf(scraper({ prefix: 'many', queues: ['q204'] }));
    expect(exposedValue(some, 'infer_queue_paused', { queue: 'q204' })).toBe(0);
    expect(exposedValue(some, 'infer_hidden_queues')).toBe(0);
  });

  it('keep exporting the same pairs of queue and model when others appear', async () => {
    const client = (await redis.client()) as RedisClient;
    const names = Array.from({ length: 100 }, (_, at) => `m${String(at).padStart(3, '0')}`);
    const serve = (models: string[]) =>
      beat(client, 'pairs', {
        ...worker({ queues: ['q'], models: models.map((name) => ({ name, version: 1, batch: 8 })) }),
        beatAt: Date.now(),
      });
    await client.hset(queuesKey('pairs'), 'q', '{}');
    const each = scraper({ prefix: 'pairs', timeoutMs: 20_000 });
    const rowsOf = (metrics: Awaited<ReturnType<typeof metricsOf>>, model: string) =>
      exposedValue(metrics, 'infer_model_rows_total', { queue: 'q', model });
    await serve(names);
    expect(rowsOf(await metricsOf(each), 'm099')).toBe(0);
    await serve(['a-new', ...names]);
    const more = await metricsOf(each);
    expect([rowsOf(more, 'm099'), rowsOf(more, 'a-new')]).toEqual([0, undefined]);
    expect(exposedValue(more, 'infer_hidden_models')).toBe(1);
    // A free place is reused.
    await serve(['a-new', ...names.slice(1)]);
    const fewer = await metricsOf(each);
    expect([rowsOf(fewer, 'm000'), rowsOf(fewer, 'a-new')]).toEqual([undefined, 0]);
  });

  it('end in time when Redis hangs, and recover', async () => {
    const each = scraper({ timeoutMs: 300 });
    await each.text();
    const admin = await redis.client();
    const states: unknown[] = [];
    const told = scraper({ timeoutMs: 300, onState: (error) => states.push(error?.code) });
    await told.text();
    await admin.client('PAUSE', 30_000, 'ALL');
    const began = performance.now();
    expect(exposedValue(await metricsOf(told), 'infer_up')).toBe(0);
    expect(performance.now() - began).toBeLessThan(15_000);
    await expect(told.ping()).rejects.toMatchObject({ exitCode: 69 });
    await redis.restart();
    expect(exposedValue(await metricsOf(told), 'infer_up')).toBe(1);
    expect(states).toEqual(['REDIS_TIMEOUT', undefined]);
  });
});
