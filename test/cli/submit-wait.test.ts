import { beforeAll, describe, expect, it } from 'vitest';
import { bullBase } from '../../src/lib/queue/keys.js';
import { says, until, useInfer } from '../support/cli.js';
import { DIGITS_FILE, ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

beforeAll(async () => {
  await infer.worker();
});

describe('submit --wait', () => {
  it('-q prints only the result', async () => {
    const run = await infer.run(['submit', '-q', '--wait', ONE_DIGIT]);
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
    expect(run.json()).toMatchObject({ class: expect.any(Number), device: 'cpu' });
  });

  it.each([
    ['one row', ONE_DIGIT, 'j'],
    ['a group', DIGITS_FILE, 'g'],
  ])(
    'says on Ctrl-C that %s continues, and how to fetch and cancel it, also with -q',
    async (_, file, kind) => {
      const run = infer.start(['submit', '-q', file, '--wait', '1m', '-Q', 'nobody']);
      // Without a worker it warns once the job is queued, and then waits.
      await says(run, 'no worker serves queue nobody');
      run.kill('SIGINT');
      const { exitCode, stderr } = await run;
      expect(exitCode).toBe(130);
      const id = new RegExp(`(${kind}[0-9a-z]{25}) continues`).exec(String(stderr))?.[1] ?? '';
      expect(stderr).toContain(`result ${id} --wait; cancel it: `);
      const cancelled = await infer.run(['cancel', id]);
      expect(cancelled.exitCode).toBe(0);
    },
  );

  it('says so on Ctrl-C in result --wait too', async () => {
    const id = (await infer.run(['submit', '-q', ONE_DIGIT, '-Q', 'nobody'])).stdout.trim();
    const run = infer.start(['result', id, '--wait', '1m']);
    const client = await redis.client();
    // It is waiting once its list is registered with the job.
    await until(async () => (await client.hget(`${bullBase('infer', 'nobody')}${id}`, 'rl')) ?? undefined);
    run.kill('SIGTERM');
    const { exitCode, stderr } = await run;
    expect([exitCode, String(stderr)]).toEqual([143, expect.stringContaining(`${id} continues. Fetch it:`)]);
    await infer.run(['cancel', id]);
  });

  it.each([
    [['--wait=abc', ONE_DIGIT], 'abc'],
    [['--wait', 'abc', ONE_DIGIT], 'abc'],
    [[ONE_DIGIT, '--wait', 'abc'], 'abc'],
    [[ONE_DIGIT, '--wait', '30sec'], '30sec'],
    [['--wait', '5 minutes', ONE_DIGIT], '5 minutes'],
  ])('rejects %j as an invalid time', async (words, time) => {
    const run = await infer.run(['submit', ...words]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(`--wait: '${time}' is not a duration`);
    expect(run.stderr).toContain('500ms, 2s, 1.5m');
  });

  it.each([
    [['--wait', '99999999999', ONE_DIGIT], '99999999999'],
    [[ONE_DIGIT, '--wait', '99999999999'], '99999999999'],
    [['--wait', '99999999999'], '99999999999'],
    [[ONE_DIGIT, '--wait', '5000d'], '5000d'],
    [['--wait=25d', ONE_DIGIT], '25d'],
  ])('rejects %j as longer than a wait may be', async (words, time) => {
    const run = await infer.run(['submit', ...words]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(`--wait: '${time}' is too long: the longest duration here is 24d`);
  });

  it('rejects --wait abc alone as neither a file nor a time', async () => {
    const run = await infer.run(['submit', '--wait', 'abc']);
    expect(run.exitCode).toBe(66);
    expect(run.stderr).toContain("there is no file abc; --wait: 'abc' is not a duration");
    expect(run.stderr).toContain('500ms, 2s, 1.5m');
    const file = await infer.run(['submit', '--wait', 'abc.json']);
    expect(file.stderr).toContain('there is no file abc.json');
    expect(file.stderr).not.toContain('duration');
  });
});
