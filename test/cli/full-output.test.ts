import { describe, expect, it } from 'vitest';
import { redirected, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

/** On standard error, where only this sentence may appear. */
const SENTENCE =
  /^(?:Next: .+\n)?Error: standard output cannot be written: no space left on device \(ENOSPC\)\nTry: free some space .+\n$/;

describe('standard output on a full disk', () => {
  it.each([
    [['--version']],
    [['--help']],
    [['help', 'exit-codes']],
    [['models']],
    [['models', '--json']],
    [['sbumit', '--json']],
    [['completion', 'bash']],
    [['inspect']],
    [['inspect', 'queues', '-o', 'ndjson']],
    [['inspect', '--json', '--watch']],
    [['submit', ONE_DIGIT, '-Q', 'full']],
    [['result', 'jnope', '--json']],
    [['autoscale', '--simulate', 'flash', '--seeds', '1']],
  ])('makes %j print one sentence and exit 74', async (args) => {
    const run = await infer.run(args, { through: redirected('>/dev/full') });
    expect(run.stderr.replace(/^flash: .+\n/, '')).toMatch(SENTENCE);
    expect(run.exitCode).toBe(74);
  });

  it('leaves only the exit code when standard error is full too', async () => {
    const full = await infer.run(['models'], { through: redirected('>/dev/full 2>&1') });
    expect(full.exitCode).toBe(74);
    const usage = await infer.run(['models', '--nope'], { through: redirected('2>/dev/full') });
    expect([usage.exitCode, usage.stdout]).toEqual([2, '']);
  });

  it('does not stop an autoscaler', async () => {
    const args = ['autoscale', '-Q', 'none', '--gpus', 'none', '--dry-run', '--interval', '100ms', '-v'];
    const child = infer.start(args, { through: redirected('>/dev/full') });
    let seen = '';
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (text: Buffer) => {
        seen += text.toString();
        if (seen.includes('the autoscaler continues')) resolve();
      });
      void child.then(() => resolve());
    });
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    const { exitCode, stderr } = await child;
    expect(exitCode).toBe(0);
    expect(stderr.match(/cannot be written/g)).toHaveLength(1);
  });
});

describe('a reader that closes the pipe early', () => {
  it('ends a command silently', async () => {
    const run = await infer.run(['help', 'environment'], {
      through: ['bash', '-c', 'set -o pipefail; "$0" "$@" | true'],
    });
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
  });
});
