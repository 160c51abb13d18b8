import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { DIGITS_FILE, ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

beforeAll(async () => {
  await infer.worker();
});

describe('a delayed job', () => {
  it('waits as delayed until its start time with --delay, then runs', async () => {
    const before = Date.now();
    const run = await infer.run(['submit', ONE_DIGIT, '--delay', '1h', '--json']);
    const { id } = run.json<{ id: string }>();
    const { state, nextRunAt } = (await infer.run(['result', id, '--json'])).json<{
      state: string;
      nextRunAt: number;
    }>();
    expect(state).toBe('delayed');
    expect(nextRunAt).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(nextRunAt).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect((await infer.run(['inspect', 'job', id, '--json'])).json()).toMatchObject({ state: 'delayed' });
    expect((await infer.run(['cancel', id])).exitCode).toBe(0);

    const soon = await infer.run(['submit', ONE_DIGIT, '--delay', '1s', '--wait', '20s', '--json']);
    const answer = soon.json<{ state: string; timing: { totalMs: number } }>();
    expect(answer.state).toBe('completed');
    // The delay counts from the call, and the total from the moment the job was added.
    expect(answer.timing.totalMs).toBeGreaterThanOrEqual(500);
  });

  it('can be a group with --at: it waits whole, is kept until then, and can be cancelled', async () => {
    const at = new Date(Date.now() + 30 * 86_400_000).toISOString();
    const run = await infer.run(['submit', DIGITS_FILE, '--at', at, '--json']);
    const { group } = run.json<{ group: string }>();
    const look = await infer.run(['result', group, '--json']);
    expect(look.exitCode).toBe(75);
    expect(look.json()).toMatchObject({ state: 'delayed', startAt: Date.parse(at), closed: true });
    // Longer than an open group is kept.
    expect(await (await redis.client()).ttl(`{infer:batch}:grp:${group}`)).toBe(-1);
    await infer.run(['cancel', group]);
    expect((await infer.run(['result', group, '--json'])).json()).toMatchObject({ state: 'failed' });
  });

  it('expires --expires after its start time', async () => {
    const args = ['submit', ONE_DIGIT, '-Q', 'nobody', '--delay', '1s', '--expires', '1s', '--wait', '20s'];
    const run = await infer.run([...args, '--json']);
    expect(run.exitCode).toBe(1);
    const { id } = run.json<{ id: string; state: string }>();
    const record = (await infer.run(['inspect', 'job', id, '--json'])).json<
      Record<string, number | string>
    >();
    expect(record.state).toBe('expired');
    expect(Number(record.finishedAt) - Number(record.submittedAt)).toBeGreaterThanOrEqual(2000);
  });

  it('starts now, with a note, when its start time has passed', async () => {
    const run = await infer.run([
      'submit',
      ONE_DIGIT,
      '--at',
      '2020-01-01T00:00Z',
      '--wait',
      '20s',
      '--json',
    ]);
    expect(run.json()).toMatchObject({ state: 'completed' });
    expect(run.stderr).toContain('the time of --at has passed: it starts at once');
  });

  it.each([
    [['--delay', '400d'], 'the longest duration here is 365d'],
    [['--at', '2999-01-01T00:00'], 'a year from now'],
    [['--at', 'tomorrow'], "'tomorrow' is not a time"],
    [['--at', '2027-02-30T10:00'], "'2027-02-30T10:00' is not a time"],
    [['--at', '2027-01-01T10:00', '--delay', '1m'], '--at and --delay cannot be given together'],
    [['--delay', 'soon'], "'soon' is not a duration"],
  ])('is rejected for %j', async (words, message) => {
    const run = await infer.run(['submit', ONE_DIGIT, ...words]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain(message);
  });
});
