import { beforeAll, describe, expect, it } from 'vitest';
import type { ProcessMark } from '../../../src/lib/core/process-alive.js';
import {
  type GpuLease,
  holderFrom,
  holds,
  leaseGpu,
  readLease,
  releaseGpu,
} from '../../../src/lib/queue/broker/gpu-lease.js';
import { leaseKey } from '../../../src/lib/queue/keys.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const PREFIX = 'test';
const LEASE_TTL_MS = 15_000;
let client: RedisClient;
let devices = 0;
let device = '';

beforeAll(async () => {
  client = await redis.client();
});

const runs = () => true;
const claim = (id: string, more: Partial<GpuLease> = {}): GpuLease => ({
  device,
  host: 'h',
  place: 'h/1',
  worker: `worker-${id}`,
  id,
  pid: 1,
  ...more,
});
const take = async (lease: GpuLease, alive: (process: ProcessMark) => boolean = runs) =>
  (await leaseGpu(client, PREFIX, lease, alive)).id;
/** As if the last renewal was this long ago. */
const age = (ms: number) => client.pexpire(leaseKey(PREFIX, device), 3_600_000 - ms);
const fresh = () => {
  device = `GPU-${++devices}`;
};

describe('a GPU lease', () => {
  it('belongs to one holder, who renews it and alone can release it', async () => {
    fresh();
    expect(await readLease(client, PREFIX, device)).toBeUndefined();
    expect([await take(claim('a')), await take(claim('b'))]).toEqual(['a', 'a']);
    expect(await take(claim('b', { device: `${device}-other` }))).toBe('b');
    const lease = await readLease(client, PREFIX, device);
    expect(lease?.holder).toEqual(claim('a'));
    expect(holds(lease, 'h/1', runs)?.id).toBe('a');
    expect(holds(lease, 'h/1', () => false)).toBeUndefined();
    expect(holds(lease, 'h/2', () => false)?.id).toBe('a');
    expect(lease && holds({ ...lease, silentMs: 16_000 }, 'h/2', runs)).toBeUndefined();
    await age(10_000);
    await take(claim('b'));
    expect(await client.pttl(leaseKey(PREFIX, device))).toBeLessThanOrEqual(3_590_000);
    await take(claim('a'));
    expect(await client.pttl(leaseKey(PREFIX, device))).toBeGreaterThan(3_590_000);
    await releaseGpu(client, PREFIX, claim('b'));
    expect(await take(claim('b'))).toBe('a');
    await releaseGpu(client, PREFIX, claim('a'));
    expect(await take(claim('b'))).toBe('b');
  });

  it('names a process only in the PID namespace where its id is valid', () => {
    const lease = claim('a', { place: 'h/1', pid: 7 });
    expect(holderFrom('h/1', lease)).toEqual({ worker: 'worker-a', pid: 7 });
    expect(holderFrom('h/2', lease)).toEqual({ worker: 'worker-a', pid: null });
    expect(holderFrom('other/1', lease)).toEqual({ worker: 'worker-a', pid: null });
  });

  it('of an exited process in the same place is taken over at once', async () => {
    fresh();
    await take(claim('a', { pid: 7 }));
    expect(await take(claim('b'), ({ pid }) => pid !== 7)).toBe('b');
  });

  it('of a silent process that is alive in the same place is kept, since it still holds GPU memory', async () => {
    fresh();
    await take(claim('a'));
    await age(LEASE_TTL_MS + 60_000);
    expect(await take(claim('b'))).toBe('a');
  });

  it('of a process elsewhere expires after its silence, not earlier', async () => {
    fresh();
    await take(claim('a', { place: 'h/2' }));
    const gone = () => false;
    await age(LEASE_TTL_MS - 2000);
    expect(await take(claim('b'), gone)).toBe('a');
    await age(LEASE_TTL_MS + 1);
    expect(await take(claim('b'), gone)).toBe('b');
    // The old holder returns and is told; it releases nothing that it does not hold.
    expect(await take(claim('a', { place: 'h/2' }))).toBe('b');
    await releaseGpu(client, PREFIX, claim('a', { place: 'h/2' }));
    expect((await readLease(client, PREFIX, device))?.holder.id).toBe('b');
  });

  it('for a free or abandoned GPU goes to one of many contenders, and all learn which', async () => {
    for (const dead of [false, true]) {
      fresh();
      if (dead) await take(claim('dead', { pid: 7 }));
      const clients = await Promise.all(Array.from({ length: 8 }, () => redis.client()));
      const holders = await Promise.all(
        clients.map((one, at) => leaseGpu(one, PREFIX, claim(`w${at}`), ({ pid }) => pid !== 7)),
      );
      expect(new Set(holders.map((holder) => holder.id)).size).toBe(1);
      expect(holders[0]?.id).toMatch(/^w\d$/);
    }
  });

  it('that is not a valid record is treated as free', async () => {
    for (const junk of ['', 'junk', '[1]', '7', '{"id":']) {
      fresh();
      await client.set(leaseKey(PREFIX, device), junk);
      expect(await take(claim('a'))).toBe('a');
    }
  });
});
