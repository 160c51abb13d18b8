import { afterEach, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { DIGITS_FILE, ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';
import { shiftedClock } from '../support/shifted-clock.js';
import type { TestWorker } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);
const HOUR = 3_600_000;
const WRONG = [
  ['ahead', HOUR],
  ['behind', -HOUR],
] as const;
const RIGHT = 60_000;

let worker: TestWorker | undefined;
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
});

interface Answer {
  id: string;
  state: string;
  submittedAt: number;
  finishedAt: number;
  timing: { queueMs: number; totalMs: number };
}

const record = async (id: string) => (await infer.run(['inspect', 'job', id, '--json'])).json<Answer>();

describe.each(WRONG)('a host whose clock is an hour %s', (_, ms) => {
  const env = shiftedClock(ms);

  it('expires no job by reading it, and shows correct ages', async () => {
    const submit = ['submit', ONE_DIGIT, '-Q', 'nobody', '--expires', '10m', '--json'];
    const ids = [];
    for (let i = 0; i < 2; i++) ids.push((await infer.run(submit)).json<Answer>().id);
    const look = await infer.run(['result', ids[0] as string, '--json'], { env });
    expect(look.json()).toMatchObject({ state: 'waiting' });
    const waited = await infer.run(['result', ids[0] as string, '--wait', '1s', '--json'], { env });
    expect(waited.exitCode).toBe(75);
    for (const id of ids) expect((await record(id)).state).toBe('waiting');

    const queues = (await infer.run(['inspect', 'queues', '--json'], { env })).json<{
      queues: { name: string; oldestMs: number }[];
    }>().queues;
    const { oldestMs = -1 } = queues.find(({ name }) => name === 'nobody') ?? {};
    expect(oldestMs).toBeGreaterThanOrEqual(0);
    expect(oldestMs).toBeLessThan(5 * RIGHT);
    const old = await infer.run(['inspect', 'jobs', '-Q', 'nobody', '--older-than', '30m', '--json'], {
      env,
    });
    expect(old.json()).toMatchObject({ jobs: [] });
    const { problems } = (await infer.run(['inspect', '--json'], { env })).json<{
      problems: { code: string; message: string }[];
    }>();
    expect(problems).toContainEqual(
      expect.objectContaining({
        code: 'CLOCK_OFF',
        message: expect.stringMatching(/^the clock of this machine is (1h 0m|59m \S+) /),
      }),
    );
    for (const id of ids) await infer.run(['cancel', id]);
  });

  it('submits with deadlines, delays and times on the Redis clock', async () => {
    worker = await infer.worker();
    const now = Date.now();
    const submit = ['submit', ONE_DIGIT, '--wait', '20s', '--json'];
    const done = (await infer.run([...submit, '--expires', '10m'], { env })).json<Answer>();
    expect(done.state).toBe('completed');
    expect(done.timing.queueMs).toBeLessThan(RIGHT);
    expect(Math.abs((await record(done.id)).submittedAt - now)).toBeLessThan(RIGHT);
    const later = (await infer.run([...submit, '--delay', '1s'], { env })).json<Answer>();
    expect(later.state).toBe('completed');
    expect(later.timing.totalMs).toBeGreaterThan(800);
    const late = await infer.run([...submit, '--expires', '1s', '-Q', 'nobody'], { env });
    expect(late.json()).toMatchObject({ state: 'expired' });
    const group = await infer.run(['submit', DIGITS_FILE, '--expires', '10m', '--wait', '20s', '--json'], {
      env,
    });
    expect(group.exitCode).toBe(0);
  });

  it('runs a worker that expires no job early, starts delayed jobs on time, and is reported for its clock', async () => {
    worker = await infer.worker(['--name', 'off'], { env });
    const submit = ['submit', ONE_DIGIT, '--wait', '20s', '--json'];
    const done = (await infer.run([...submit, '--expires', '10m'])).json<Answer>();
    expect(done.state).toBe('completed');
    const { submittedAt, finishedAt } = await record(done.id);
    expect(finishedAt - submittedAt).toBeGreaterThanOrEqual(0);
    expect(finishedAt - submittedAt).toBeLessThan(RIGHT);
    expect((await infer.run([...submit, '--delay', '1s'])).json()).toMatchObject({ state: 'completed' });

    const { problems, workers } = (await infer.run(['inspect', '--json'])).json<{
      problems: { code: string; message: string }[];
      workers: { beatAt: number; clockAheadMs: number; host: string }[];
    }>();
    const [beat] = workers as [(typeof workers)[0]];
    expect(Math.abs(beat.beatAt - Date.now())).toBeLessThan(RIGHT);
    expect(Math.abs(beat.clockAheadMs - ms)).toBeLessThan(RIGHT);
    const off = problems.filter(({ code }) => code === 'CLOCK_OFF');
    expect(off.map(({ message }) => message)).toEqual([
      expect.stringContaining(`the clock of host ${beat.host} is `),
    ]);
    const doctor = await infer.run(['doctor', 'workers', '--json']);
    expect(doctor.stdout).toContain('the clock of worker off');
  });
});
