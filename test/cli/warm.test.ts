import { describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

// What the other files rely on: `ask` answers as a separate process would.
describe('the test helper ask', () => {
  it.each<[string, string[], Parameters<typeof infer.ask>[1]]>([
    // Without Redis's memory use, which changes all the time.
    ['works', ['inspect', 'queues'], {}],
    ['as JSON', ['models', '--json'], {}],
    ['help', ['submit', '--help'], {}],
    ['a usage error', ['submit', '--no-such-flag'], {}],
    ['no such command', ['sumbit'], {}],
    ['bad input', ['submit', '-', '--model', 'digits', '--json'], { stdin: '[1' }],
    ['an unknown id', ['result', 'no-such-job'], {}],
    ['nothing listens', ['inspect'], { redis: 'redis://127.0.0.1:1' }],
    ['a bad setting', ['inspect'], { env: { INFER_PREFIX: 'a b' } }],
    ['another directory', ['submit', 'none.json', '--model', 'digits'], { cwd: '/' }],
  ])('answers exactly as a separate process: %s', async (_, args, options) => {
    const [own, ...warm] = await Promise.all([
      infer.run(args, options),
      infer.ask(args, options),
      infer.ask(args, options),
    ]);
    const all = ({ exitCode, stdout, stderr }: typeof own) => ({ exitCode, stdout, stderr });
    expect(all(warm[0] as typeof own)).toEqual(all(own));
    expect(all(warm[1] as typeof own)).toEqual(all(own));
  });

  it('runs commands that do real work, one after the other', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++)
      ids.push((await infer.ask(['submit', ONE_DIGIT, '--model', 'digits', '--quiet'])).stdout.trim());
    expect(new Set(ids).size).toBe(5);
    const { queues } = (await infer.ask(['inspect', '--json'])).json<{ queues: { waiting: number }[] }>();
    expect(queues.map((queue) => queue.waiting)).toEqual([5]);
  });
});
