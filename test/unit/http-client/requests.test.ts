import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { HttpError } from '../../../src/lib/http-client/http-error.js';
import { InferHttp } from '../../../src/lib/http-client/infer-http.js';
import { freePort } from '../../support/ports.js';
import { thrown } from '../../support/thrown.js';
import { bareGateway, DONE, fakeGateway, JOB, sendJson, sendProblem } from './fake-gateway.js';

const inHeaders = { 'retry-after': '0' };

describe('the address of a gateway', () => {
  it.each(['', 'localhost:8000', 'redis://localhost', 'http://user:pw@host', 'http://host/?a=1'])(
    'is refused, and not shown, where it is none: %s',
    (url) => {
      const error = thrown(() => new InferHttp({ url }));
      expect([error.code, error.exitCode]).toEqual(['HTTP_URL', 2]);
      expect(error.message).not.toContain('pw');
    },
  );

  it('keeps its base path', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 200, DONE));
    await gateway.client({ url: `${gateway.url}/infer/` }).result('order-1');
    await gateway.client({ url: new URL(gateway.url) }).result('a b/c?');
    expect(gateway.seen.map(({ url }) => url)).toEqual(['/infer/v1/jobs/order-1', '/v1/jobs/a%20b%2Fc%3F']);
  });

  it('is not left by an id', async () => {
    const infer = new InferHttp({ url: 'http://127.0.0.1:1' });
    for (const id of ['', '.', '..', '\ud800'])
      await expect(infer.result(id)).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
    await expect(infer.submit([1], { id: '..' })).rejects.toMatchObject({ code: 'JOB_ID' });
  });
});

describe('a token', () => {
  it('is asked for before each request, and sent without the space around it', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 200, DONE));
    const tokens = ['inf_1\n', 'inf_2'];
    const infer = gateway.client({ token: async () => tokens.shift() ?? '', headers: { 'X-Team': 'a' } });
    for (let i = 0; i < 3; i++) await infer.result('a');
    expect(gateway.seen.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer inf_1',
      'Bearer inf_2',
      undefined,
    ]);
    expect(gateway.seen[0]?.headers).toMatchObject({ 'x-team': 'a', accept: 'application/json' });
  });

  it('that no header can hold is refused and not shown', async () => {
    const infer = new InferHttp({ url: 'http://127.0.0.1:1', token: 'secret one' });
    const error = await infer.result('a').catch((one: InferError) => one);
    expect(error).toMatchObject({ code: 'TOKEN' });
    expect((error as InferError).message).not.toContain('secret');
  });
});

describe('an error of the gateway', () => {
  it('keeps its code, text, fix, status and the id of its request', async () => {
    const gateway = await fakeGateway((_, response) =>
      sendProblem(response, 404, 'JOB_UNKNOWN', {}, { hint: 'submit it again' }),
    );
    const error = await gateway
      .client()
      .result('a')
      .catch((one: unknown) => one);
    expect(error).toBeInstanceOf(InferError);
    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({
      code: 'JOB_UNKNOWN',
      message: 'the text of JOB_UNKNOWN',
      hint: 'submit it again',
      exitCode: 66,
      status: 404,
      requestId: 'request-1',
      problem: { type: '/errors/JOB_UNKNOWN' },
    });
    expect(gateway.seen).toHaveLength(1);
  });

  it('of a newer release is kept as it is', async () => {
    const gateway = await fakeGateway((_, response) => sendProblem(response, 418, 'TEAPOT'));
    await expect(gateway.client().result('a')).rejects.toMatchObject({ code: 'TEAPOT', exitCode: 1 });
  });

  it.each([
    ['503', 503, 'REDIS_UNREACHABLE'],
    ['429', 429, 'RATE_LIMIT'],
    ['408', 408, 'HTTP_SLOW'],
  ])('is waited out where it is temporary: %s', async (_, status, code) => {
    const gateway = await fakeGateway((_request, response, nth) =>
      nth < 2 ? sendProblem(response, status, code, inHeaders) : sendJson(response, 201, JOB),
    );
    const job = await gateway.client().submit([1, 2]);
    expect(job).toEqual(JOB);
    // The same id each time: it is one job, whatever the gateway did.
    expect(new Set(gateway.seen.map(({ method, url }) => `${method} ${url}`)).size).toBe(1);
    expect(gateway.seen).toHaveLength(3);
  });

  it('is told at once where the wait would be longer than the call may take', async () => {
    const gateway = await fakeGateway((_, response) =>
      sendProblem(response, 429, 'JOBS_LIMIT', { 'retry-after': '60' }),
    );
    await expect(gateway.client().submit([1], { timeoutMs: 30_000 })).rejects.toMatchObject({
      code: 'JOBS_LIMIT',
      retryAfterMs: 60_000,
    });
    expect(gateway.seen).toHaveLength(1);
  });

  it('is told after the last retry', async () => {
    const gateway = await fakeGateway((_, response) => sendProblem(response, 503, 'QUEUE_FULL', inHeaders));
    await expect(gateway.client({ retries: 2 }).submit([1])).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(gateway.seen).toHaveLength(3);
    await expect(gateway.client({ retries: 0 }).submit([1])).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(gateway.seen).toHaveLength(4);
  });

  it.each([
    ['without a worker', 503, 'NO_WORKERS'],
    ['of a job whose model failed', 503, 'DEVICE_ERROR'],
    ['of a job that exceeded its time', 504, 'TIME_LIMIT'],
    ['of the input', 422, 'INPUT_SHAPE'],
  ])('is not waited out %s', async (_, status, code) => {
    const gateway = await fakeGateway((_request, response) => sendProblem(response, status, code, inHeaders));
    await expect(gateway.client().run([1])).rejects.toMatchObject({ code });
    expect(gateway.seen).toHaveLength(1);
  });
});

describe('what is no gateway', () => {
  it.each([
    ['a page', 200, 'text/html', '<html>'],
    ['another error', 404, 'text/html', 'Not Found'],
    ['JSON of something else', 400, 'application/json', '{"message":"no"}'],
    ['half a document', 200, 'application/json', '{"id":'],
  ])('is told from one: %s', async (_, status, type, text) => {
    const gateway = await fakeGateway((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(text);
    });
    await expect(gateway.client().result('a')).rejects.toMatchObject({ code: 'HTTP_ANSWER', exitCode: 69 });
    expect(gateway.seen).toHaveLength(1);
  });

  it('is not followed elsewhere', async () => {
    const gateway = await fakeGateway((_, response) => {
      response.writeHead(308, { location: 'https://elsewhere.example/' }).end();
    });
    await expect(gateway.client({ token: 'secret' }).result('a')).rejects.toMatchObject({
      code: 'HTTP_ANSWER',
      hint: expect.stringContaining('https://elsewhere.example/'),
    });
  });

  it.each([502, 503, 504])('is a proxy where it answers %i, which is tried again', async (status) => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
      else sendJson(response, 200, DONE);
    });
    expect(await gateway.client().result('a')).toEqual(DONE);
    await expect(gateway.client({ retries: 0, url: `${gateway.url}` }).result('a')).resolves.toEqual(DONE);
  });
});

describe('a connection', () => {
  it('that no one accepts is an error with its reason and fix', async () => {
    const port = await freePort();
    const infer = new InferHttp({ url: `http://127.0.0.1:${port}`, retries: 1 });
    await expect(infer.submit([1])).rejects.toMatchObject({
      code: 'HTTP_UNREACHABLE',
      exitCode: 69,
      message: expect.stringContaining('ECONNREFUSED'),
      hint: expect.stringContaining('infer serve'),
      status: undefined,
    });
  });

  it('of TLS to a server without is not tried again', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 200, DONE));
    const infer = new InferHttp({ url: gateway.url.replace('http:', 'https:') });
    await expect(infer.result('a')).rejects.toMatchObject({ code: 'HTTP_TLS' });
  });

  it('that breaks before or in the answer is made again, and the job is still one', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) return void response.destroy();
      if (nth === 2) return sendJson(response, 200, JOB);
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '500' });
      response.write('{"id":', () => response.destroy());
    });
    const job = await gateway.client().submit([1]);
    // 200: the job was there. It is what this call sent itself, so it is no duplicate.
    expect(job).toEqual(JOB);
    expect(new Set(gateway.seen.map(({ url }) => url)).size).toBe(1);
    expect(gateway.seen).toHaveLength(3);
  });

  it('that breaks is not made again for what would be done twice', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) sendProblem(response, 429, 'RATE_LIMIT', inHeaders);
      else if (nth === 1) sendProblem(response, 503, 'DRAINING', inHeaders);
      else response.destroy();
    });
    await expect(gateway.client().retry('a')).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
    // The gateway refused the first two before it did anything.
    expect(gateway.seen.map(({ url }) => url)).toEqual(Array(3).fill('/v1/jobs/a/retry'));
  });
});

/** Every method, with its limits in the last argument. */
const CALLS: Readonly<Record<string, (infer: InferHttp, limits: object) => Promise<unknown>>> = {
  run: (infer, limits) => infer.run([1], limits),
  submit: (infer, limits) => infer.submit([1], limits),
  submitRows: (infer, limits) => infer.submitRows([[1]], limits),
  result: (infer, limits) => infer.result('a', limits),
  place: (infer, limits) => infer.place('a', limits),
  wait: (infer, limits) => infer.wait('a', limits),
  rows: (infer, limits) => infer.rows('a', limits).next(),
  events: (infer, limits) => infer.events('a', limits).next(),
  cancel: (infer, limits) => infer.cancel('a', limits),
  retry: (infer, limits) => infer.retry('a', limits),
  delete: (infer, limits) => infer.delete('a', limits),
};
const INNER = ['constructor', 'put', 'read', 'untilEnded', 'withResult', 'abandon', 'limitsOf', 'limited'];

describe('the limits of a call', () => {
  it('are taken by every method', () => {
    const methods = Object.getOwnPropertyNames(InferHttp.prototype).filter((name) => !INNER.includes(name));
    expect(Object.keys(CALLS).sort()).toEqual(methods.sort());
  });

  it.each(Object.entries(CALLS))('end it where the gateway is silent: %s', async (_, call) => {
    const { client } = await bareGateway(() => undefined);
    const code = expect.stringMatching(/^(HTTP_TIMEOUT|WAIT_TIMEOUT)$/);
    await expect(call(client(), { timeoutMs: 20 })).rejects.toMatchObject({ code, exitCode: 75 });
    await expect(call(client({ timeoutMs: 20 }), {})).rejects.toMatchObject({ code });
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(call(client(), { signal: gone })).rejects.toThrow('gone');
    const leaves = new AbortController();
    const called = call(client(), { signal: leaves.signal });
    leaves.abort(new Error('left'));
    await expect(called).rejects.toThrow('left');
  });

  it.each(Object.entries(CALLS))('are not waited for where no one answers: %s', async (_, call) => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const limits = { timeoutMs: 600_000 };
    await expect(call(new InferHttp({ url, retries: 1 }), limits)).rejects.toMatchObject({
      code: 'HTTP_UNREACHABLE',
    });
  });

  it('end the retries, and the error is that of the last attempt', async () => {
    const infer = new InferHttp({ url: `http://127.0.0.1:${await freePort()}`, retries: 1000 });
    await expect(infer.result('a', { timeoutMs: 3000 })).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
  });

  it('say which id may have been queued', async () => {
    const { client } = await bareGateway(() => undefined);
    await expect(client().submit([1], { id: 'order-1', timeoutMs: 20 })).rejects.toMatchObject({
      code: 'HTTP_TIMEOUT',
      message: expect.stringContaining('whether order-1 was queued is not known'),
      hint: expect.stringContaining('order-1'),
    });
  });
});
