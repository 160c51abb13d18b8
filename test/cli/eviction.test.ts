import { afterAll, describe, expect, it } from 'vitest';
import { setUser } from '../support/acl.js';
import { useInfer } from '../support/cli.js';
import { DIGITS_FILE, ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const WARNING =
  /maxmemory-policy is (\S+): when Redis is full it drops [\w, ]+\. Set noeviction: infer redis-tune apply/g;
const setPolicy = async (policy: string): Promise<void> => {
  await (await redis.client()).call('CONFIG', 'SET', 'maxmemory-policy', policy);
};
const warnings = (text: string): string[] => [...text.matchAll(WARNING)].map(([, policy]) => String(policy));

describe('a Redis that evicts keys', () => {
  afterAll(() => setPolicy('noeviction'));

  it("is warned about once in a worker's log, and once by each submit on standard error", async () => {
    await setPolicy('allkeys-lru');
    const worker = await infer.worker(['-Q', 'realtime,batch', '-m', 'digits']);
    const runs = {
      one: await infer.run(['submit', ONE_DIGIT]),
      quiet: await infer.run(['submit', ONE_DIGIT, '--quiet']),
      json: await infer.run(['submit', ONE_DIGIT, '--json']),
      waited: await infer.run(['submit', ONE_DIGIT, '--wait']),
      many: await infer.run(['submit', DIGITS_FILE, '--wait']),
    };
    for (const [name, run] of Object.entries(runs)) {
      expect([name, run.exitCode, warnings(run.stderr)]).toEqual([name, 0, ['allkeys-lru']]);
      expect(run.stdout).not.toContain('maxmemory');
    }
    expect(await worker.stop()).toBe(0);
    expect(warnings(worker.stderr)).toEqual(['allkeys-lru']);
  });

  it('gets a warning that names its policy; noeviction gets none', async () => {
    await setPolicy('volatile-ttl');
    expect(warnings((await infer.run(['submit', ONE_DIGIT])).stderr)).toEqual(['volatile-ttl']);
    await setPolicy('noeviction');
    expect((await infer.run(['submit', ONE_DIGIT])).stderr).not.toContain('maxmemory');
  });

  it('gets no warning where INFO is not permitted', async () => {
    await setPolicy('allkeys-lru');
    await setUser(redis, 'blind', 'secret', ['~*', '+@all', '-info']);
    const url = redis.url.replace('redis://', 'redis://blind:secret@');
    const run = await infer.run(['submit', ONE_DIGIT], { redis: url });
    expect([run.exitCode, warnings(run.stderr), run.stderr]).toEqual([
      0,
      [],
      expect.not.stringMatching(/INFO/),
    ]);
  });
});
