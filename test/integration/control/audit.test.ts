import { describe, expect, it } from 'vitest';
import { readAudit, writeAudit } from '../../../src/lib/queue/audit.js';
import { auditKey } from '../../../src/lib/queue/keys.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const entry = {
  who: 'ada',
  host: 'gpu-1',
  action: 'pause',
  target: 'realtime',
  detail: '',
  result: '3 jobs wait',
  ok: true,
};

describe('the audit log', () => {
  it('answers the newest entries first, as they were written', async () => {
    const client = await redis.client();
    const from = Date.now() - 1000;
    await writeAudit(client, 'one', entry);
    await writeAudit(client, 'one', { ...entry, action: 'resume', ok: false, result: 'x'.repeat(600) });
    const [newest, oldest, ...none] = await readAudit(client, 'one', 10);
    expect(none).toEqual([]);
    expect(oldest).toEqual({ ...entry, at: expect.any(Number) });
    expect(oldest?.at).toBeGreaterThan(from);
    expect(newest).toMatchObject({ action: 'resume', ok: false, result: 'x'.repeat(500) });
    expect(await readAudit(client, 'one', 1)).toEqual([newest]);
    expect(await readAudit(client, 'other', 10)).toEqual([]);
  });

  it('keeps about the last 10,000', async () => {
    const client = await redis.client();
    for (let i = 0; i < 11; i++)
      await Promise.all(Array.from({ length: 1000 }, () => writeAudit(client, 'many', entry)));
    const kept = await client.xlen(auditKey('many'));
    expect(kept).toBeGreaterThanOrEqual(10_000);
    expect(kept).toBeLessThan(11_000);
  });
});
