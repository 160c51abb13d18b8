import { beforeAll, describe, expect, it } from 'vitest';
import { HttpError } from '../../../src/lib/http-client/http-error.js';
import { InferHttp } from '../../../src/lib/http-client/infer-http.js';
import type { HttpJobEvent } from '../../../src/lib/http-client/types.js';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const ROW = [1, 2, 3, 4];
const DOUBLED = { y: [3, 5, 7, 9] };
/** Runs for minutes unless it is stopped. */
const LONG = { x: [0, 0], turns: [1_000_000] };
const client = (token?: string) => new InferHttp({ url: gateway.url, token });

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

/** Reads the events of a job until one fits. */
async function untilEvent(id: string, fits: (event: HttpJobEvent) => boolean): Promise<HttpJobEvent> {
  for await (const event of client().events(id, { timeoutMs: 20_000 })) if (fits(event)) return event;
  throw new Error('the events ended');
}
const untilActive = (id: string) =>
  untilEvent(id, ({ event, data }) => event === 'state' && data.state === 'active');

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

describe('run', () => {
  it('answers the ended job, of lists, names and typed arrays alike', async () => {
    const options = { model: 'doubler', timeoutMs: 20_000 };
    const job = await client().run(ROW, { ...options, priority: 9, id: 'run-1' });
    expect(job).toMatchObject({
      id: 'run-1',
      kind: 'job',
      queue: 'realtime',
      model: 'doubler',
      state: 'completed',
      rows: 1,
      priority: 9,
      result: DOUBLED,
      device: 'cpu',
    });
    for (const input of [{ x: ROW }, new Float32Array(ROW), new Float64Array(ROW)])
      expect((await client().run(input, options)).result).toEqual(DOUBLED);
    const many = await client().run([ROW, ROW], { ...options, queue: 'realtime' });
    expect([many.rows, many.result]).toEqual([2, [DOUBLED, DOUBLED]]);
    // One number a row: an array of three is three rows, which is a group.
    const group = await client().run(new BigInt64Array([0n, 1n, 2n]), { ...options, model: 'poison' });
    expect(group).toMatchObject({
      kind: 'group',
      state: 'completed',
      result: [{ y: [10] }, { y: [20] }, { y: [30] }],
    });
  });

  it('returns a job that failed, and throws what is wrong with a request', async () => {
    const failed = await client().run([7], { model: 'poison', retries: 0 });
    expect(failed).toMatchObject({ state: 'failed', error: { code: expect.any(String) } });
    expect(failed.result).toBeUndefined();
    const wrong: [unknown, object, string, number][] = [
      [[1, 2], { model: 'doubler' }, 'INPUT_SHAPE', 422],
      [new Float32Array([Number.NaN, 1, 1, 1]), { model: 'doubler' }, 'INPUT_VALUE', 422],
      [ROW, { model: 'tripler' }, 'MODEL_UNKNOWN', 404],
      [ROW, { model: 'doubler', priority: 12 }, 'PARAMETER', 400],
      [ROW, { model: 'doubler', queue: 'nobody' }, 'NO_WORKERS', 503],
    ];
    for (const [input, options, code, status] of wrong) {
      await expect(client().run(input, options)).rejects.toMatchObject({
        code,
        status,
        requestId: expect.any(String),
      });
    }
  });

  it('leaves the job when its time is up, or cancels it with its caller', async () => {
    const limits = { model: 'slow', id: 'late-1', timeoutMs: 500 };
    await expect(client().run(LONG, limits)).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' });
    expect((await client().result('late-1')).state).toMatch(/waiting|active/);
    expect(await client().cancel('late-1')).toMatch(/active|cancelled/);
    expect((await client().wait('late-1')).state).toBe('cancelled');
    const leaves = new AbortController();
    const options = { model: 'slow', id: 'left-1', signal: leaves.signal, cancelOnAbort: true };
    const run = client().run(LONG, options);
    run.catch(() => undefined);
    await until(async () =>
      client()
        .result('left-1')
        .catch(() => undefined),
    );
    leaves.abort(new Error('left'));
    await expect(run).rejects.toThrow('left');
    expect((await client().wait('left-1', { timeoutMs: 20_000 })).state).toBe('cancelled');
  });
});

describe('submit', () => {
  it('queues a job once under its id, and refuses another', async () => {
    const options = { model: 'doubler', queue: 'nobody', id: 'once-1', priority: 3, expiresMs: 3_600_000 };
    const first = await client().submit(ROW, options);
    expect(first).toMatchObject({ id: 'once-1', state: 'waiting', queue: 'nobody', priority: 3 });
    expect(first.duplicate).toBeUndefined();
    expect(await client().submit(ROW, options)).toMatchObject({ id: 'once-1', duplicate: true });
    await expect(client().submit([0, 0, 0, 0], options)).rejects.toMatchObject({ code: 'ID_TAKEN' });
    expect(await client().place('once-1')).toMatchObject({
      position: { jobsAhead: 0 },
      eta: null,
      why: { code: expect.any(String), text: expect.any(String) },
    });
    expect(await client().cancel('once-1')).toBe('cancelled');
    expect(await client().place('once-1')).toBeUndefined();
  });

  it('takes the options of a typed array, which is sent as bytes', async () => {
    const options = { model: 'doubler', queue: 'nobody', delayMs: 3_600_000, resultTtl: 60, retries: 0 };
    const job = await client().submit(new Float32Array(ROW), options);
    expect(job).toMatchObject({ kind: 'job', state: 'delayed', queue: 'nobody' });
    const { nextRunAt = 0, submittedAt = 0 } = await client().result(job.id);
    expect(nextRunAt - submittedAt).toBeGreaterThan(3_500_000);
    expect(await client().cancel(job.id)).toBe('cancelled');
  });

  it('belongs to its token', async () => {
    const { id } = await client('alice').submit(ROW, { model: 'doubler', queue: 'nobody' });
    expect((await client('alice').result(id)).owner).toBe('alice');
    await expect(client('bob').result(id)).rejects.toMatchObject({ code: 'JOB_UNKNOWN', status: 404 });
    await client('alice').delete(id);
    await expect(client('alice').result(id)).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });
});

describe('events', () => {
  it('tell a job from its place to its result', async () => {
    const before = await client().submit(LONG, { model: 'slow', queue: 'realtime' });
    await untilActive(before.id);
    const { id } = await client().submit(ROW, { model: 'doubler', queue: 'events' });
    const place = await untilEvent(id, ({ event }) => event === 'position');
    expect(place.data).toMatchObject({ id, position: { jobsAhead: 0 } });
    await client().cancel(before.id);
    await infer.run(['control', 'move', id, '--to', 'realtime']);
    const end = await untilEvent(id, ({ event }) => event === 'end');
    expect(end.data).toMatchObject({ id, state: 'completed', result: DOUBLED });
  });

  it('go on at another gateway when theirs shuts down', async () => {
    const other = await GatewayKit.open(redis, { modelsDir: models.dir });
    let url = other.url;
    // What a load balancer does.
    const balanced: typeof fetch = (address, init) => fetch(String(address).replace(other.url, url), init);
    const balancedClient = new InferHttp({ url: other.url, fetch: balanced });
    const { id } = await balancedClient.submit(ROW, { model: 'doubler', queue: 'events' });
    const seen: string[] = [];
    for await (const { event, data } of balancedClient.events(id, { timeoutMs: 30_000 })) {
      if (event !== 'position') seen.push(`${event} ${data.id}`);
      if (seen.length === 1 && url === other.url) {
        url = gateway.url;
        await other.close(20_000);
        await infer.run(['control', 'move', id, '--to', 'realtime']);
      }
    }
    expect(seen[0]).toBe(`state ${id}`);
    expect(seen.at(-1)).toBe(`end ${id}`);
  });
});

describe('rows', () => {
  it('go in and out as streams, in their order', async () => {
    async function* source() {
      for (let i = 0; i < 3000; i++) yield i % 2 === 0 ? [i, 0, 0, 0] : new Float32Array([i, 0, 0, 0]);
    }
    const sent = await client().submitRows(source(), { model: 'doubler', id: 'rows-1', priority: 2 });
    expect(sent).toMatchObject({ id: 'rows-1', kind: 'group', queue: 'batch', rows: 3000, priority: 2 });
    const results = await all(sent.results({ timeoutMs: 60_000 }));
    expect(results).toHaveLength(3000);
    expect(results.every(({ row, value }) => (value as typeof DOUBLED).y[0] === 2 * row + 1)).toBe(true);
    expect(results.map(({ row }) => row)).toEqual(Array.from({ length: 3000 }, (_, row) => row));
    const events = await all(client().events('rows-1'));
    expect(events).toEqual([
      { event: 'end', data: expect.objectContaining({ state: 'completed', rowsDone: 3000 }) },
    ]);
  });

  it('that fail have their error among the others', async () => {
    const sent = await client().submitRows([[0], [7], [2]], { model: 'poison', retries: 0 });
    const [first, second, third] = await all(sent.results());
    expect([first, third]).toEqual([
      { row: 0, value: { y: [10] } },
      { row: 2, value: { y: [30] } },
    ]);
    expect(second).toEqual({
      row: 1,
      error: expect.objectContaining({ code: expect.any(String), message: expect.any(String) }),
    });
    const none = await client().submitRows([[7], [8]], { model: 'poison', retries: 0 });
    await expect(all(none.results())).rejects.toMatchObject({ code: expect.any(String) });
    const one = await client().submitRows([[1]], { model: 'poison' });
    expect([one.kind, await all(one.results())]).toEqual(['job', [{ row: 0, value: { y: [20] } }]]);
  });

  it('of which one is bad are refused with its number, and nothing of them stays', async () => {
    function* source() {
      for (let i = 0; i < 2000; i++) yield i === 1500 ? [1] : ROW;
    }
    const options = { model: 'doubler', queue: 'nobody', id: 'bad-rows' };
    await expect(client().submitRows(source(), options)).rejects.toMatchObject({
      code: 'INPUT_SHAPE',
      message: expect.stringMatching(/^line 1501: /),
    });
    await until(async () => {
      const found = await client()
        .result('bad-rows')
        .catch((error: unknown) => error);
      return found instanceof HttpError && found.status === 404 ? true : undefined;
    });
  });

  it('that are partly done are told without waiting', async () => {
    const sent = await client().submitRows([ROW, ROW], { model: 'doubler', queue: 'nobody' });
    expect(await all(client().rows(sent.id, { partial: true }))).toEqual([]);
    await expect(all(sent.results({ timeoutMs: 200 }))).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' });
    await client().delete(sent.id);
  });
});

describe('steering', () => {
  it('cancels what runs, and leaves what has ended', async () => {
    const { id } = await client().submit(LONG, { model: 'slow', queue: 'realtime' });
    await untilActive(id);
    await client().cancel(id);
    expect((await client().wait(id, { timeoutMs: 20_000 })).state).toBe('cancelled');
    const { id: done } = await client().run(ROW, { model: 'doubler' });
    expect(await client().cancel(done)).toBe('completed');
  });

  it('retries what failed, and deletes what runs', async () => {
    const failed = await client().run([7], { model: 'poison', retries: 0 });
    expect((await client().retry(failed.id)).id).toBe(failed.id);
    expect(await client().wait(failed.id, { timeoutMs: 20_000 })).toMatchObject({ state: 'failed' });
    const { id } = await client().submit(LONG, { model: 'slow', queue: 'realtime' });
    await expect(client().retry(id)).rejects.toMatchObject({ code: 'NOT_FAILED', status: 409 });
    await untilActive(id);
    await client().delete(id);
    await expect(client().result(id)).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });
});

describe('what every answer has', () => {
  it('an id of its request: errors, streams, results', async () => {
    const { id } = await client().run(ROW, { model: 'doubler' });
    const group = await client().submitRows([ROW, ROW], { model: 'doubler' });
    await client().wait(group.id);
    const headers = { 'x-request-id': 'mine-1', accept: 'application/x-ndjson, */*' };
    for (const address of [
      `/v1/jobs/${id}`,
      `/v1/jobs/${id}/result`,
      `/v1/jobs/${group.id}/result`,
      `/v1/jobs/${id}/events`,
      `/result/${id}`,
      '/v1/jobs/none',
      '/none',
      '/v1/jobs/%',
    ]) {
      const answer = await gateway.ask('GET', address, { headers });
      expect([address, answer.headers.get('x-request-id')]).toEqual([address, 'mine-1']);
    }
  });

  it('the time that its job took, where that has ended', async () => {
    const PARTS = /^queue;dur=[\d.]+, run;dur=[\d.]+, total;dur=[\d.]+$/;
    const timing = async (...request: Parameters<GatewayKit['ask']>) =>
      (await gateway.ask(...request)).headers.get('server-timing');
    const json = { model: 'doubler', input: ROW };
    const prefer = { prefer: 'wait=20' };
    expect(await timing('POST', '/v1/jobs', { json, headers: prefer })).toMatch(PARTS);
    expect(await timing('PUT', '/v1/jobs/timed-1', { json, headers: prefer })).toMatch(PARTS);
    expect(await timing('PUT', '/v1/jobs/timed-1', { json })).toMatch(PARTS);
    expect(await timing('GET', '/v1/jobs/timed-1')).toMatch(PARTS);
    expect(await timing('GET', '/v1/jobs/timed-1/result')).toMatch(PARTS);
    expect(await timing('GET', '/result/timed-1')).toMatch(PARTS);
    const inputs = [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: ROW }];
    expect(await timing('POST', '/v2/models/doubler/infer', { json: { inputs } })).toMatch(PARTS);
    const failed = await client().run([7], { model: 'poison', retries: 0 });
    expect(await timing('GET', `/v1/jobs/${failed.id}/result`)).toMatch(PARTS);
    const group = await client().submitRows([ROW, ROW], { model: 'doubler' });
    await client().wait(group.id);
    expect(await timing('GET', `/v1/jobs/${group.id}/result`)).toMatch(/^total;dur=\d+$/);
    const waiting = await client().submit(ROW, { model: 'doubler', queue: 'nobody' });
    expect(await timing('GET', `/v1/jobs/${waiting.id}`)).toBeNull();
    await client().delete(waiting.id);
  });
});
