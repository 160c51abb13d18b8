import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AskOptions, type RunOptions, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { expectFailure } from '../support/failure.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { inspect } from '../support/overview.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const PASSWORD = 'hunter2-s3cret';
const redis = useRedis({ port: true, password: PASSWORD });
const infer = useInfer(redis);
let closed = 0;
let models = '';

beforeAll(async () => {
  closed = await freePort();
  models = path.join(infer.dir, 'models');
  writeModel(models, 'doubler', doubler());
  writeModel(models, 'broken', Buffer.from('this is not a model'));
});

const submit = ['submit', ONE_DIGIT, '--model', 'digits'];
/** Every kind of command that talks to Redis. */
const COMMANDS: [string, string[]][] = [
  ['submit', submit],
  ['result', ['result', 'some-job']],
  ['inspect', ['inspect']],
  ['worker', ['worker', '--model', 'digits']],
];

describe('commands without a Redis at the URL', () => {
  it.each(COMMANDS)('name host and port, and how to start Redis (exit 69): %s', (_, args) =>
    expectFailure(
      infer,
      args,
      {
        exitCode: 69,
        code: /^REDIS_/,
        message: `127.0.0.1:${closed}`,
        fix: /redis-server|infer redis start|docker run/,
      },
      { redis: `redis://127.0.0.1:${closed}` },
    ),
  );

  it('explain that localhost in a container is the container itself', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
    const run = await infer.run(submit, { redis: `redis://localhost:${closed}`, env });
    expect([run.exitCode, run.stdout]).toEqual([69, '']);
    expect(run.stderr).toContain(`localhost:${closed}`);
    expect(run.stderr).toMatch(/inside a container/i);
  });

  it('report a socket that does not exist', async () => {
    const socket = path.join(infer.dir, 'no.sock');
    const run = await infer.run(submit, { redis: `unix://${socket}` });
    expect([run.exitCode, run.stdout]).toEqual([69, '']);
    expect(run.stderr).toContain(socket);
  });

  it('reject a malformed URL: a usage error from the flag, a configuration error from the environment', async () => {
    const [flag, variable] = await Promise.all([
      infer.run([...submit, '--redis', 'http://127.0.0.1']),
      infer.run(submit, { redis: 'http://127.0.0.1' }),
    ]);
    expect([flag.exitCode, variable.exitCode]).toEqual([2, 78]);
    expect(flag.stderr).toContain('--redis');
    expect(variable.stderr).toContain('INFER_REDIS_URL');
  });
});

describe('commands without the right password (exit 77)', () => {
  const denied = (options: () => RunOptions, fix: RegExp) => (_: string, args: string[]) =>
    expectFailure(infer, args, { exitCode: 77, code: /^REDIS_/, message: /password/i, fix }, options());

  it.each(COMMANDS)(
    'are refused with a wrong one: %s',
    denied(() => ({ redis: redis.url.replace(PASSWORD, 'guessed') }), /password/i),
  );
  it.each(COMMANDS.slice(0, 1))(
    'are refused without any: %s',
    denied(() => ({ redis: redis.url.replace(`:${PASSWORD}@`, '') }), /INFER_REDIS_PASSWORD|password/i),
  );
});

describe('models and devices:', () => {
  it('a corrupt ONNX file is reported by submit and worker --strict (78) with model and file', async () => {
    const broken = { exitCode: 78, code: /^MODEL_/, message: /broken/, fix: /./ };
    await expectFailure(infer, ['submit', '-', '-m', 'broken', '--models', models], broken, {
      stdin: '[1,2,3,4]',
    });
    await expectFailure(infer, ['worker', '--models', models, '--strict'], broken);
    expect((await inspect(infer)).workers).toEqual([]);
  });

  it('infer models lists the valid model, reports the corrupt one, and exits 3', async () => {
    const [text, json] = await Promise.all([
      infer.run(['models', '--models', models]),
      infer.ask(['models', '--models', models, '--json']),
    ]);
    expect([text.exitCode, json.exitCode]).toEqual([3, 3]);
    expect(text.stdout).toContain('doubler');
    expect(text.stdout).not.toContain('broken');
    expect(text.stderr).toContain('broken');
    expect(json.json()).toMatchObject({
      models: [{ name: 'doubler' }],
      failed: [{ name: 'broken', hint: /./ }],
    });
  });

  it('a model that the worker does not find gets a suggestion (66)', () =>
    expectFailure(infer, ['worker', '--models', models, '--model', 'dubler'], {
      exitCode: 66,
      code: 'MODEL_UNKNOWN',
      message: /dubler/,
      fix: /doubler/,
    }));

  it('a missing GPU with --require-gpu starts no worker (69) and leaves no lease', async () => {
    const args = ['worker', '--models', models, '--model', 'doubler', '--gpu', '99', '--require-gpu'];
    const gone = { exitCode: 69, code: 'GPU_UNAVAILABLE', message: /GPU|cuda/i, fix: /./ };
    // Sequentially: two at once would compete for the lease.
    const text = await infer.run(args);
    const json = await infer.run([...args, '--json']);
    expect([text.exitCode, text.stdout]).toEqual([gone.exitCode, '']);
    expect(text.stderr).toMatch(gone.message);
    expect(text.stderr).toMatch(/^Try: .+/m);
    expect([json.exitCode, json.json()]).toMatchObject([69, { ok: false, error: { code: gone.code } }]);
    expect(await (await redis.client()).keys('*:lease:*')).toEqual([]);
    expect((await inspect(infer)).workers).toEqual([]);
  });

  it('a missing GPU without --require-gpu gives a visible warning and uses the CPU', async () => {
    const args = ['-Q', 'none', '--models', models, '--model', 'doubler', '--gpu', '99', '--burst'];
    const worker = await infer.worker(args);
    expect(worker.stderr).toMatch(/^! not on the GPU: .+$/m);
    expect(worker.stderr).toMatch(/device\s+cpu \(GPU 99 asked for\)/);
    expect(await worker.exited).toBe(0);
  });
});

describe('mistakes on the command line:', () => {
  const usage = (args: string[], message: string | RegExp, fix: string | RegExp) =>
    expectFailure(infer, args, { exitCode: 2, code: 'USAGE', message, fix }, { redis: null });

  it('an unknown id is rejected (66), with what may have happened to it', () =>
    expectFailure(infer, ['result', 'no-such-job'], {
      exitCode: 66,
      code: 'JOB_UNKNOWN',
      message: 'no job or group no-such-job: unknown, or its result has expired',
      fix: 'infer inspect',
    }));

  it.each(['prioritized', 'meta', 'order-1:lock'])(
    '%s is rejected: it is a key of the queue, not a job',
    async (id) => {
      await infer.run(['submit', ONE_DIGIT, '--quiet']);
      for (const words of [
        ['result', id],
        ['cancel', id],
        ['control', 'priority', id, '-p', '1'],
      ])
        await expectFailure(infer, words, {
          exitCode: 66,
          code: 'JOB_UNKNOWN',
          message: id,
          fix: 'infer inspect',
        });
    },
  );

  it('an unknown command is rejected', () =>
    usage(['sumbit', ONE_DIGIT], "there is no command 'infer sumbit'", "did you mean 'infer submit'?"));
  it('an unknown flag is rejected', () =>
    usage(['submit', '--priorty', '3', ONE_DIGIT], 'there is no flag --priorty', 'did you mean --priority?'));
  it('a missing argument is rejected', () =>
    usage(['submit'], 'missing argument: FILE', 'infer submit --help'));
  it('an extra argument is rejected', () =>
    usage(['result', 'a', 'b'], 'unexpected argument: b', 'infer result --help'));
  it('a flag without its value is rejected', () =>
    usage(['submit', ONE_DIGIT, '--id'], /--id/, 'infer submit --help'));
  it('a number out of range is rejected', async () => {
    const run = await infer.run(['worker', '--max-batch', '0'], { redis: null });
    expect([run.exitCode, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('--max-batch');
  });
});

describe('the password of the Redis URL', () => {
  const odd = 'p%40ss-w%2Frd';
  it.each<[string, string[], () => AskOptions]>([
    ['nothing listens', submit, () => ({ redis: `redis://user:${PASSWORD}@127.0.0.1:${closed}` })],
    ['wrong password', ['inspect'], () => ({ redis: redis.url.replace(PASSWORD, `${PASSWORD}x`) })],
    ['escaped characters', ['inspect'], () => ({ redis: redis.url.replace(PASSWORD, odd) })],
    ['unknown id', ['result', 'no-such-job'], () => ({})],
    ['bad input', ['submit', '-', '--model', 'digits'], () => ({ stdin: '[1]' })],
    ['unknown model', ['submit', '-', '--model', 'x'], () => ({ stdin: '[1]' })],
    ['worker that cannot start', ['worker', '--models', '/no/such/dir'], () => ({})],
    ['a URL that is none', ['inspect'], () => ({ redis: `http://user:${PASSWORD}@host/` })],
    ['a URL with a space', ['inspect'], () => ({ redis: `redis://user:${PASSWORD} @host/` })],
    ['TLS where there is none', ['inspect'], () => ({ redis: redis.url.replace('redis:', 'rediss:') })],
  ])('is in no output on failure: %s', async (_, args, make) => {
    const options = make();
    const runs = await Promise.all([
      infer.run(args, options),
      (args[0] === 'worker' ? infer.run : infer.ask)([...args, '--json'], {
        ...options,
        env: { INFER_DEBUG: '1' },
      }),
    ]);
    for (const run of runs) {
      expect(run.exitCode).not.toBe(0);
      expect(run.stdout + run.stderr).not.toBe('');
      for (const secret of [PASSWORD, odd, decodeURIComponent(odd)])
        expect(run.stdout + run.stderr).not.toContain(secret);
    }
  });

  it('is not in the banner or in inspect, which show the address without it', async () => {
    const worker = await infer.worker(['-Q', 'none', '--model', 'digits']);
    expect(worker.stderr).toMatch(new RegExp(`redis\\s+redis://127\\.0\\.0\\.1:${redis.port}\n`));
    const run = await infer.run(['inspect']);
    const json = await infer.ask(['inspect', '--json']);
    expect(worker.stderr + run.stdout + run.stderr + json.stdout).not.toContain(PASSWORD);
    expect(await worker.stop()).toBe(0);
  });
});

it('no rejected command has queued a job', async () => {
  const { queues } = await inspect(infer);
  expect(
    queues.filter((queue) => queue.waiting + queue.active + queue.completed + queue.delayed > 0),
  ).toEqual([]);
});
