import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { says, until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { stateOf } from '../support/process-table.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
let id = '';

beforeAll(async () => {
  id = (await infer.run(['submit', '-q', ONE_DIGIT, '-Q', 'nobody'])).stdout.trim();
});

afterEach(() => {
  process.kill(redis.pid, 'SIGCONT');
});

/** The connection stays open, and nothing answers. */
async function silence(): Promise<void> {
  process.kill(redis.pid, 'SIGSTOP');
  await until(async () => (stateOf(redis.pid) === 'T' ? true : undefined));
}

describe('a Redis that stops answering', () => {
  it('does not extend the limit of submit --wait, which names the job', async () => {
    const run = infer.start(['submit', ONE_DIGIT, '--wait', '4s', '-Q', 'nobody']);
    await says(run, 'no worker serves queue nobody');
    await silence();
    const { exitCode, stderr } = await run;
    // A silent connection would otherwise be dropped after 5 s, with another code.
    expect(exitCode).toBe(75);
    expect(String(stderr)).toMatch(/whether j\w+ has ended is not known/);
  });

  it.each([
    ['submit', ['submit', ONE_DIGIT, '--wait', '1s']],
    ['result', ['result', 'ID', '--wait', '1s']],
    ['cancel', ['cancel', 'ID', '--wait', '1s']],
    ['ping', ['inspect', 'ping', '-t', '1s']],
    ['control', ['control', 'drain', 'any', '-t', '1s']],
  ])('is reported with exit 69 when it stops before %s', async (_, words) => {
    await silence();
    const run = await infer.run(words.map((word) => (word === 'ID' ? id : word)));
    expect([run.exitCode, run.stderr]).toEqual([69, expect.stringContaining('does not answer')]);
  });
});
