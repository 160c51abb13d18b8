import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../support/cli.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { stateOf } from '../../support/process-table.js';
import { startRedis, useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const models = useModels();
const gateway = useGateway(redis, { models, control: true });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const infer = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };

beforeAll(() => {
  writeModel(models.dir, 'numbers', doubler(3), { task: 'embedding' });
});

/** Requests that need Redis, besides those of faults-http.test.ts: method, address, body. */
const NEED_REDIS: readonly (readonly [string, string, object?])[] = [
  ['POST', '/predict?model=doubler', [1, 2, 3, 4]],
  ['DELETE', '/v1/jobs/some'],
  ['POST', '/v1/jobs/some/retry'],
  ['GET', '/v1/jobs/some/events'],
  ['GET', '/v1/workers'],
  ['GET', '/v1/stats'],
  ['GET', '/v1/autoscaler'],
  ['POST', '/v1/queues/some/pause'],
  ['POST', '/v1/queues/some/purge?confirm=some'],
  ['POST', '/v1/workers/some/drain'],
  ['POST', '/v1/workers/some/set', { what: 'max-batch', value: 8 }],
  ['GET', '/v2/health/ready'],
  ['GET', '/v2/models/doubler'],
  ['GET', '/v2/models/doubler/ready'],
  ['GET', '/v2/models/doubler/config'],
  ['GET', '/v2/models/stats'],
  ['POST', '/v2/models/doubler/infer', infer],
  ['POST', '/v2/repository/index', {}],
  ['POST', '/v2/repository/models/doubler/load', {}],
  ['GET', '/v1/models'],
  ['POST', '/v1/embeddings', { model: 'numbers', input: [1, 2, 3] }],
];

it('an unreachable Redis: every route that needs it answers 503 in the form of its errors, and goes on when it is back', {
  timeout: 300_000,
}, async () => {
  const own = await startRedis({ args: ['--appendonly', 'yes'] });
  const other = await GatewayKit.open(own, { modelsDir: models.dir, control: true });
  try {
    expect((await other.ask('GET', '/v1/models')).status).toBe(200);
    await own.kill();
    const answers = await Promise.all(
      NEED_REDIS.map(async ([method, address, body]) => {
        const answer = await other.ask(method, address, body === undefined ? {} : { json: body });
        const { error } = answer.body ?? {};
        const message = typeof error === 'object' ? error?.message : error;
        return {
          request: `${method} ${address}`,
          status: answer.status,
          isError: typeof message === 'string' && message !== '',
          again: answer.headers.get('retry-after') !== null,
          tells: answer.text.includes(own.dir),
        };
      }),
    );
    const wanted = { status: 503, isError: true, again: true, tells: false };
    expect(answers).toEqual(
      NEED_REDIS.map(([method, address]) => ({ request: `${method} ${address}`, ...wanted })),
    );
    // What needs no Redis is not the worse for it.
    expect((await other.ask('GET', '/v2/health/live')).status).toBe(200);
    await own.restart();
    await until(async () => (await other.ask('GET', '/v1/models')).status === 200);
    expect((await other.ask('POST', '/v1/jobs', { json })).status).toBe(202);
    expect(other.failures).toEqual([]);
  } finally {
    await other.close();
    await own.stop();
  }
});

describe('Redis that does not answer', () => {
  /** The connections stay open, and nothing comes. */
  const silence = async (): Promise<void> => {
    process.kill(redis.pid, 'SIGSTOP');
    await until(async () => stateOf(redis.pid) === 'T');
  };
  const resume = () => process.kill(redis.pid, 'SIGCONT');
  afterEach(resume);

  const jobsOf = async (queue: string): Promise<string[]> => {
    const { body } = await gateway.ask('GET', `/v1/jobs?queue=${queue}&state=waiting`);
    return (body.items as { id: string }[]).map(({ id }) => id);
  };

  it('for a while: what was asked meanwhile waits for it, and nothing is done twice', async () => {
    await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'slow' } });
    await silence();
    const [put, post, read] = [
      gateway.ask('PUT', '/v1/jobs/slow-1', { json: { ...json, queue: 'slow' } }),
      gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'slow' } }),
      gateway.ask('GET', '/v1/jobs?queue=slow'),
    ];
    // Long enough that all three are on their way, and shorter than any of them waits.
    await until(async () => gateway.gateway.client.redis.status === 'ready');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    resume();
    expect((await put).status).toBe(201);
    expect((await post).status).toBe(202);
    expect((await read).status).toBe(200);
    expect(await jobsOf('slow')).toHaveLength(3);
  });

  it('for too long: 503, and an id that is sent again is one job', { timeout: 300_000 }, async () => {
    await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'silent' } });
    await silence();
    const put = () => gateway.ask('PUT', '/v1/jobs/silent-1', { json: { ...json, queue: 'silent' } });
    const answers = await Promise.all([
      put(),
      gateway.ask('GET', '/v1/jobs/silent-1'),
      gateway.ask('GET', '/v1/jobs/silent-1/result'),
      gateway.ask('POST', '/v1/jobs/silent-1/cancel'),
      gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'silent', id: 'silent-2' } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    for (const { headers } of answers) expect(headers.get('retry-after')).not.toBeNull();
    resume();
    const again = await until(async () => {
      const answer = await put();
      return answer.status < 300 ? answer : undefined;
    });
    expect(again.body).toMatchObject({ id: 'silent-1', state: 'waiting' });
    expect((await jobsOf('silent')).filter((id) => id === 'silent-1')).toHaveLength(1);
  });
});

describe('Redis that is full', () => {
  /** Sets the limit so that the current use is this share of it. */
  const fill = async (share: number): Promise<void> => {
    const client = await redis.client();
    for (let i = 0; i < 64; i++) await client.set(`filler:${i}`, Buffer.alloc(64 * 1024));
    const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
    await client.config('SET', 'maxmemory', String(Math.round(used / share)));
  };
  afterEach(async () => {
    await (await redis.client()).config('SET', 'maxmemory', '0');
  });

  const refused = async (): Promise<void> => {
    await until(async () => (await gateway.ask('POST', '/v1/jobs', { json })).status === 503);
  };

  it('takes no new work, says when to come again, and still answers what was asked before', async () => {
    const { id } = (await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'full' } })).body;
    await fill(0.86);
    await refused();
    const rows = { body: '[1,2,3,4]\n[1,2,3,4]\n', headers: { 'content-type': 'application/x-ndjson' } };
    const prefer = { prefer: 'respond-async' };
    const answers = [
      await gateway.ask('POST', '/v1/jobs', { json }),
      await gateway.ask('PUT', '/v1/jobs/full-1', { json }),
      await gateway.ask('POST', '/v1/jobs?model=doubler', rows),
      await gateway.ask('POST', '/predict?model=doubler', { json: json.input }),
      await gateway.ask('POST', '/v2/models/doubler/infer', { json: infer, headers: prefer }),
    ];
    for (const { status, body, headers, text } of answers) {
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'REDIS_FULL', '2']);
      expect(text).not.toMatch(/\d MB/);
    }
    expect((await gateway.ask('GET', `/v1/jobs/${id}`)).body.state).toBe('waiting');
    expect((await gateway.ask('GET', '/v1/jobs?queue=full')).body.items).toHaveLength(1);
    expect((await gateway.ask('POST', `/v1/jobs/${id}/cancel`)).status).toBe(200);
    await (await redis.client()).config('SET', 'maxmemory', '0');
    await until(async () => (await gateway.ask('POST', '/v1/jobs', { json })).status === 202);
  });

  it('to the brim: 503, never an error of the server', async () => {
    const { id } = (await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'brim' } })).body;
    await fill(1.5);
    await refused();
    for (const [method, address] of [
      ['POST', `/v1/jobs/${id}/cancel`],
      ['POST', '/v1/queues/brim/pause'],
      ['DELETE', `/v1/jobs/${id}`],
    ] as const) {
      const { status } = await gateway.ask(method, address);
      expect([method, address, status < 300 || status === 503]).toEqual([method, address, true]);
    }
    // afterAll of the kit checks that nothing came that was not expected.
    await (await redis.client()).config('SET', 'maxmemory', '0');
    await until(async () => (await gateway.ask('POST', '/v1/jobs', { json })).status === 202);
  });
});
