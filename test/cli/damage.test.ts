import { describe, expect, it } from 'vitest';
import { bullBase, queueTag } from '../../src/lib/queue/keys.js';
import { useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const submit = async (queue: string, ...more: string[]): Promise<string> =>
  (await infer.run(['submit', ONE_DIGIT, '--quiet', '-Q', queue, ...more])).stdout.trim();

describe('a damaged job', () => {
  it('is reported by worker, inspect, doctor and result; other jobs complete; retry repairs it, cancel deletes it', async () => {
    const [numbers, record, sound] = [await submit('hurt'), await submit('hurt'), await submit('hurt')];
    const client = await redis.client();
    const base = bullBase('infer', 'hurt');
    await client.hset(base + numbers, 'atm', 'many');
    await client.del(base + record);
    await client.rpush(base + record, 'not yours');
    const worker = await infer.worker(['-Q', 'hurt', '--model', 'digits']);
    expect((await infer.run(['result', sound, '--wait', '--json'])).json()).toMatchObject({
      state: 'completed',
    });
    const waited = await infer.run(['result', record, '--wait', '--json']);
    expect(waited.exitCode).toBe(1);
    expect(waited.json()).toMatchObject({ state: 'failed', error: { code: 'JOB_DAMAGED' } });
    await worker.said(/job is damaged in Redis and was set aside/);
    const { problems } = (await infer.run(['inspect', '--json'])).json<{
      problems: { code: string; message: string }[];
    }>();
    expect(problems.find(({ code }) => code === 'JOB_DAMAGED')?.message).toMatch(
      /^2 jobs of queue hurt have been set aside/,
    );
    const doctor = await infer.run(['doctor', 'queue-damage', '--verbose']);
    expect(doctor.stdout).toMatch(
      /its (record .* is a list, not a hash|field atm is not a whole number) \(and 1 more\)/,
    );
    expect((await infer.run(['inspect', 'jobs', '--state', 'failed', '-Q', 'hurt'])).stdout).toContain(
      record,
    );

    expect((await infer.run(['retry', numbers])).stdout).toBe('1 job waiting again\n');
    expect((await infer.run(['result', numbers, '--wait', '--json'])).json()).toMatchObject({
      state: 'completed',
    });
    const refused = await infer.run(['retry', record]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /cannot be repaired: its record .* is a list, not a hash\nTry: infer cancel /,
    );
    expect((await infer.run(['cancel', record])).stdout).toBe(`${record} cancelled\n`);
    expect((await infer.run(['result', record])).exitCode).toBe(66);
    expect((await infer.run(['doctor', 'queue-damage'])).exitCode).toBe(0);
    expect(await worker.stop()).toBe(0);
  });
});

describe('a damaged key of a whole queue', () => {
  it('is reported by submit, worker, inspect and doctor, and repaired', async () => {
    const ids = [await submit('torn'), await submit('torn')];
    const client = await redis.client();
    const key = `${bullBase('infer', 'torn')}prioritized`;
    await client.set(key, 'not yours');
    const worker = await infer.worker(['-Q', 'torn', '--model', 'digits']);
    const refused = await infer.run(['submit', ONE_DIGIT, '-Q', 'torn']);
    expect(refused.exitCode).toBe(69);
    expect(refused.stderr).toContain(
      `key ${key} is a string, not a sorted set: no job can be submitted or taken`,
    );
    expect(refused.stderr).toContain('Try: infer control repair torn');
    await worker.said(/a key of the queue is a string, not a sorted set/);
    const { problems } = (await infer.run(['inspect', '--json'])).json<{
      problems: { code: string; fix: string }[];
    }>();
    expect(problems).toContainEqual(
      expect.objectContaining({ code: 'QUEUE_DAMAGED', fix: 'infer control repair torn' }),
    );
    expect((await infer.run(['doctor', 'queue-damage'])).exitCode).toBe(1);

    const dry = await infer.run(['control', 'repair', 'torn', '--dry-run']);
    expect(dry).toMatchObject({
      exitCode: 0,
      stdout: `key ${key} is a string, not a sorted set: no job can be submitted or taken\n`,
    });
    const unasked = await infer.run(['control', 'repair', 'torn']);
    expect(unasked.exitCode).toBe(2);
    expect(await client.type(key)).toBe('string');
    const repaired = await infer.run(['control', 'repair', 'torn', '--yes']);
    expect(repaired.stdout).toMatch(
      /^\{infer:torn\}:torn:prioritized is out of use; kept for 7 days as \{infer:torn\}:away:\w+\n/,
    );
    expect(repaired.stdout).toMatch(/\ntorn is repaired, jobs put back: 2 waiting\n$/);
    for (const id of ids) {
      expect((await infer.run(['result', id, '--wait', '--json'])).json()).toMatchObject({
        state: 'completed',
      });
    }
    expect((await infer.run(['control', 'repair', 'torn'])).stdout).toBe('nothing to repair in torn\n');
    expect((await client.keys(`${queueTag('infer', 'torn')}:away:*`)).length).toBe(1);
    expect(await worker.stop()).toBe(0);
  });
});

describe('a damaged key of the installation', () => {
  it.each([
    ['audit', ['inspect', 'audit']],
    ['workers', ['worker', '-Q', 'hurt', '--model', 'digits', '--burst']],
    ['models', ['worker', '-Q', 'hurt', '--model', 'digits', '--burst']],
    ['queues', ['inspect']],
  ])(
    '%s: the command that needs it exits 69 with the key and the fix, and doctor names it',
    async (part, args) => {
      const client = await redis.client();
      const key = `{infer}:${part}`;
      await client.del(key);
      await client.set(key, 'not yours');
      const refused = await infer.run(args);
      expect(refused.stderr).toMatch(
        new RegExp(`key \\{infer\\}:${part} is not a (hash|stream|sorted set): `),
      );
      expect(refused.stderr).toContain(`Try: redis-cli rename '${key}' '{infer}:away:${part}'`);
      expect(refused.exitCode).toBe(69);
      const doctor = await infer.run(['doctor', 'queue-damage']);
      expect(doctor.exitCode).toBe(1);
      expect(doctor.stdout).toContain(`key ${key} is a string, not a `);
      await client.rename(key, `{infer}:away:${part}`);
      expect((await infer.run(args)).exitCode).toBe(0);
      expect((await infer.run(['doctor', 'queue-damage'])).exitCode).toBe(0);
    },
  );
});
