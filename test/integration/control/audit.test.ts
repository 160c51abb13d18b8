import { describe, expect, it } from 'vitest';
import { readAudit, writeAudit } from '../../../src/lib/queue/audit.js';
import { auditKey, jobAuditKey } from '../../../src/lib/queue/keys.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const entry = {
  who: 'ada',
  host: 'gpu-1',
  channel: 'cli',
  action: 'pause',
  target: 'realtime',
  detail: '',
  count: 1,
  outcome: 'ok',
  code: null,
  result: '3 jobs wait',
} as const;

describe('the audit log', () => {
  it('returns the newest entries first, as they were written', async () => {
    const client = await redis.client();
    const from = Date.now() - 1000;
    await writeAudit(client, 'one', entry);
    await writeAudit(client, 'one', {
      ...entry,
      action: 'resume',
      outcome: 'failed',
      code: 'REDIS_FULL',
      result: 'x'.repeat(600),
    });
    const [newest, oldest, ...none] = await readAudit(client, 'one', 10);
    expect(none).toEqual([]);
    expect(oldest).toEqual({ ...entry, ok: true, at: expect.any(Number) });
    expect(oldest?.at).toBeGreaterThan(from);
    expect(newest).toMatchObject({
      action: 'resume',
      ok: false,
      code: 'REDIS_FULL',
      result: 'x'.repeat(500),
    });
    expect(await readAudit(client, 'one', 1)).toEqual([newest]);
    expect(await readAudit(client, 'other', 10)).toEqual([]);
  });

  it('merges jobs cancelled or retried by id into the entries of operators by time', async () => {
    const client = await redis.client();
    const now = async () =>
      (await client.time()).map(Number).reduce((s, us) => s * 1000 + Math.floor(us / 1000));
    const words = ['first', 'second', 'third', 'fourth'];
    for (const [i, action] of words.entries()) {
      await writeAudit(client, 'mixed', { ...entry, action }, i % 2 === 0 ? 'operators' : 'jobs');
      // Entries of the same millisecond have no order across two streams.
      for (const at = await now(); (await now()) === at; );
    }
    const all = await readAudit(client, 'mixed', 10);
    expect(all.map(({ action }) => action)).toEqual([...words].reverse());
    expect((await readAudit(client, 'mixed', 2)).map(({ action }) => action)).toEqual(['fourth', 'third']);
    expect(await client.xlen(jobAuditKey('mixed'))).toBe(2);
  });

  it('reads entries written by older releases with fewer fields', async () => {
    const client = await redis.client();
    const old = {
      who: 'ada',
      host: 'h',
      action: 'purge',
      target: 'batch',
      detail: '',
      result: 'gone',
      ok: '0',
    };
    await client.xadd(auditKey('old'), '*', ...Object.entries(old).flat());
    expect(await readAudit(client, 'old', 10)).toMatchObject([
      { ...old, ok: false, channel: 'cli', count: null, outcome: 'failed', code: null },
    ]);
  });

  it('keeps about the last 10,000 entries', async () => {
    const client = await redis.client();
    for (let i = 0; i < 11; i++)
      await Promise.all(Array.from({ length: 1000 }, () => writeAudit(client, 'many', entry)));
    const kept = await client.xlen(auditKey('many'));
    expect(kept).toBeGreaterThanOrEqual(10_000);
    expect(kept).toBeLessThan(11_000);
  });
});
