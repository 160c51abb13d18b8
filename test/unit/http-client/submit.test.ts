import { describe, expect, it } from 'vitest';
import { bareGateway, DONE, fakeGateway, JOB, type Seen, sendJson, sendProblem } from './fake-gateway.js';

const OPTIONS = {
  model: 'digits@2',
  queue: 'fast',
  priority: 9,
  delayMs: 1500,
  expiresMs: 60_000,
  resultTtl: 30,
  retries: 1,
  retryDelayMs: 250,
  timeLimitMs: 2000,
  softTimeLimitMs: 1000,
};
const documentOf = ({ body }: Seen): unknown => JSON.parse(body.toString('utf8'));

describe('an input', () => {
  it('is JSON under an id of its own, with the options in the units of the gateway', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 201, JOB));
    const infer = gateway.client();
    await infer.submit([1, 2], OPTIONS);
    await infer.submit([1, 2], { startAt: 1_800_000_000_000 });
    await infer.submit({ x: [1] }, { id: 'order-1' });
    const [first, later, named] = gateway.seen as [Seen, Seen, Seen];
    expect(first.method).toBe('PUT');
    expect(first.url).toMatch(/^\/v1\/jobs\/h[0-9a-f]{32}$/);
    expect(later.url).not.toBe(first.url);
    expect(first.headers['content-type']).toBe('application/json');
    expect(documentOf(first)).toEqual({
      input: [1, 2],
      model: 'digits@2',
      queue: 'fast',
      priority: 9,
      delay: 1500,
      expires: 60_000,
      resultTtl: 30_000,
      retries: 1,
      retryDelay: 250,
      timeLimit: 2000,
      softTimeLimit: 1000,
    });
    expect(documentOf(later)).toEqual({ input: [1, 2], at: 1_800_000_000_000 });
    expect([named.url, documentOf(named)]).toEqual(['/v1/jobs/order-1', { input: { x: [1] } }]);
  });

  it('keeps what JSON has no number for, and typed arrays within it', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 201, JOB));
    await gateway.client().submit({
      x: [Number.NaN, Number.POSITIVE_INFINITY, 2n ** 60n, 7n],
      y: [new Float32Array([1, 0.5]), Buffer.from([1, 2])],
      z: new BigInt64Array([-(2n ** 60n)]),
      none: null,
    });
    expect(documentOf(gateway.seen[0] as Seen)).toEqual({
      input: {
        x: ['NaN', 'Infinity', '1152921504606846976', 7],
        y: [
          [1, 0.5],
          [1, 2],
        ],
        z: ['-1152921504606846976'],
        none: null,
      },
    });
  });

  it('that refers to itself is refused, and nothing is sent', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 201, JOB));
    const loop: unknown[] = [];
    loop.push(loop);
    await expect(gateway.client().submit(loop)).rejects.toMatchObject({ code: 'INPUT_JSON', exitCode: 65 });
    expect(gateway.seen).toEqual([]);
  });

  it.each([
    [new Float32Array([1, 2.5]), '<f4', '0000803f00002040'],
    [new BigInt64Array([-1n]), '<i8', 'ffffffffffffffff'],
    [new Uint8ClampedArray([300, 7]), '|u1', 'ff07'],
    [Buffer.from([9]), '|u1', '09'],
    [new Float64Array([0, 1, 2]).subarray(1, 2), '<f8', '000000000000f03f'],
  ])('that is a typed array goes as its bytes: %o', async (array, descr, bytes) => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 201, JOB));
    await gateway.client().submit(array, { ...OPTIONS, delayMs: undefined, startAt: 1_800_000_000_000 });
    const [{ url, headers, body }] = gateway.seen as [Seen];
    expect(headers['content-type']).toBe('application/x-npy');
    expect(Object.fromEntries(new URL(url, gateway.url).searchParams)).toEqual({
      model: 'digits@2',
      queue: 'fast',
      priority: '9',
      at: '2027-01-15T08:00:00.000Z',
      expires: '60000ms',
      resultTtl: '30000ms',
      retries: '1',
      retryDelay: '250ms',
      timeLimit: '2000ms',
      softTimeLimit: '1000ms',
    });
    expect(body.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
    const end = 10 + body.readUInt16LE(8);
    expect(end % 64).toBe(0);
    expect(body.subarray(10, end).toString('latin1')).toMatch(
      `{'descr': '${descr}', 'fortran_order': False, 'shape': (${array.length},), }`,
    );
    expect(body.subarray(end).toString('hex')).toBe(bytes);
  });

  it('that was sent before is a duplicate', async () => {
    const gateway = await fakeGateway((_, response) => sendJson(response, 200, DONE));
    expect(await gateway.client().submit([1], { id: 'a' })).toEqual({ ...DONE, duplicate: true });
  });
});

describe('a wait', () => {
  it('begins with the submit, and goes on until the job has ended', async () => {
    const gateway = await fakeGateway((_, response, nth) =>
      sendJson(response, nth === 0 ? 201 : 200, nth < 2 ? JOB : { ...DONE, state: 'failed' }),
    );
    expect(await gateway.client().run([1], { id: 'a' })).toMatchObject({ state: 'failed' });
    const [put, poll] = gateway.seen as [Seen, Seen];
    expect([put.method, put.headers.prefer]).toEqual(['PUT', 'wait=30']);
    expect([poll.method, poll.url]).toEqual(['GET', '/v1/jobs/a?wait=30000ms']);
    expect(gateway.seen).toHaveLength(3);
  });

  it('is no longer than the call may take, and leaves the job', async () => {
    const gateway = await fakeGateway((request, response) => {
      // Its first poll is never answered.
      if (request.method === 'PUT') sendJson(response, 201, JOB);
    });
    await expect(gateway.client().run([1], { id: 'a', timeoutMs: 4000 })).rejects.toMatchObject({
      code: 'WAIT_TIMEOUT',
      exitCode: 75,
      message: expect.stringContaining('it continues'),
    });
    const [put, poll] = gateway.seen as [Seen, Seen];
    expect(put.headers.prefer).toMatch(/^wait=[1-4]$/);
    expect(Number(/\?wait=(\d+)ms$/.exec(poll.url)?.[1])).toBeLessThanOrEqual(4000);
    expect(gateway.seen).toHaveLength(2);
    const answers = await fakeGateway((_, response) => sendJson(response, 200, JOB));
    await expect(answers.client().wait('a', { timeoutMs: 0 })).rejects.toMatchObject({ exitCode: 75 });
    expect(answers.seen.map(({ url }) => url)).toEqual(['/v1/jobs/a']);
  });

  it('survives a gateway that breaks more often than a submit is repeated', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) sendJson(response, 200, { ...JOB, state: 'active' });
      else if (nth < 3) response.destroy();
      else sendJson(response, 200, DONE);
    });
    expect(await gateway.client({ retries: 1 }).wait('a')).toEqual(DONE);
  });

  it('cancels the job of a caller who leaves, where it is told to', async () => {
    let told = (): void => undefined;
    const cancelled = new Promise<void>((resolve) => {
      told = resolve;
    });
    const leaves = new AbortController();
    const gateway = await fakeGateway((request, response, nth) => {
      if (request.method === 'PUT') return leaves.abort(new Error('left'));
      // It is queued a moment later than it is cancelled.
      if (nth === 1) return sendProblem(response, 404, 'JOB_UNKNOWN');
      sendJson(response, 200, { ...JOB, state: 'cancelled' });
      told();
    });
    const options = { id: 'a', signal: leaves.signal, cancelOnAbort: true };
    await expect(gateway.client().run([1], options)).rejects.toThrow('left');
    await cancelled;
    expect(gateway.seen.at(-1)).toMatchObject({ method: 'POST', url: '/v1/jobs/a/cancel' });
  });

  it('of a typed array of many rows fetches the result of its group', async () => {
    const group = { ...DONE, kind: 'group', rows: 2, rowsDone: 2, result: undefined };
    const gateway = await fakeGateway((request, response) =>
      sendJson(
        response,
        request.method === 'PUT' ? 201 : 200,
        request.method === 'PUT' ? group : [{ y: 1 }, 2],
      ),
    );
    expect(await gateway.client().run(new Float32Array(2))).toMatchObject({ result: [{ y: 1 }, 2] });
    expect(gateway.seen[1]?.url).toBe('/v1/jobs/a/result?partial=true');
  });
});

describe('a job', () => {
  it('has a place until it starts', async () => {
    const why = { code: 'NO_WORKER', text: 'no worker serves the queue', fix: 'infer worker' };
    const waiting = { ...JOB, position: { jobsAhead: 0, rowsAheadEstimate: 0 }, eta: null, noEta: why, why };
    const gateway = await fakeGateway((_, response, nth) =>
      sendJson(response, 200, nth === 0 ? waiting : { ...JOB, state: 'active' }),
    );
    expect(await gateway.client().place('a')).toEqual({
      position: waiting.position,
      eta: null,
      noEta: why,
      why,
    });
    expect(await gateway.client().place('a')).toBeUndefined();
  });

  it('is cancelled, or has ended otherwise', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) sendJson(response, 202, { ...JOB, state: 'active' });
      else sendProblem(response, 409, 'JOB_ENDED', {}, { job: DONE });
    });
    expect(await gateway.client().cancel('a')).toBe('active');
    expect(await gateway.client().cancel('a')).toBe('completed');
    expect(gateway.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(
      Array(2).fill('POST /v1/jobs/a/cancel'),
    );
  });

  it('is deleted when it has stopped, also when the answer that said so was lost', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) sendJson(response, 202, { ...JOB, state: 'active' });
      else response.writeHead(204).end();
    });
    await gateway.client().delete('a');
    expect(gateway.seen.map(({ method }) => method)).toEqual(['DELETE', 'DELETE']);
    const lost = await fakeGateway((_, response, nth) => {
      if (nth === 0) response.destroy();
      else sendProblem(response, 404, 'JOB_UNKNOWN');
    });
    await lost.client().delete('a');
    await expect(lost.client().delete('a')).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });
});

describe('rows', () => {
  it('are sent as lines while the source makes them, and their results are read', async () => {
    const gateway = await fakeGateway((request, response) => {
      if (request.method === 'PUT') return sendJson(response, 201, { ...JOB, kind: 'group', rows: 3 });
      if (!request.url.includes('/result')) return sendJson(response, 200, DONE);
      response
        .writeHead(200, { 'content-type': 'application/x-ndjson' })
        .end('1\n{"error":{"code":"X","message":"y"}}\n');
    });
    async function* source() {
      yield [1, Number.NaN];
      yield new Float32Array([0.5]);
      yield { x: 1 };
    }
    const sent = await gateway.client().submitRows(source(), { id: 'a', model: 'm', priority: 3 });
    expect(sent).toMatchObject({ id: 'a', kind: 'group', rows: 3 });
    const [{ url, headers, body }] = gateway.seen as [Seen];
    expect([url, headers['content-type']]).toEqual(['/v1/jobs/a?model=m&priority=3', 'application/x-ndjson']);
    expect(body.toString()).toBe('[1,"NaN"]\n[0.5]\n{"x":1}\n');
    const results = [];
    for await (const result of sent.results()) results.push(result);
    // No row failed, so what looks like a failure is a value.
    expect(results).toEqual([
      { row: 0, value: 1 },
      { row: 1, value: { error: { code: 'X', message: 'y' } } },
    ]);
  });

  it('that the gateway refuses end the source', async () => {
    const gateway = await bareGateway((request, response) => {
      // As a gateway does: what is still on its way is read and dropped for a moment.
      request.once('data', () => sendProblem(response, 422, 'INPUT_SHAPE'));
      request.resume();
    });
    let closed = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      closed = resolve;
    });
    function* source() {
      try {
        for (;;) yield Array(1000).fill(1);
      } finally {
        closed();
      }
    }
    await expect(gateway.client().submitRows(source())).rejects.toMatchObject({ code: 'INPUT_SHAPE' });
    await ended;
    let left = (): void => undefined;
    const returned = new Promise<void>((resolve) => {
      left = resolve;
    });
    // One that waits for its own source hears of it as well.
    const silent = {
      [Symbol.asyncIterator]: () => {
        const rows = [[1], [2]].values();
        const never = new Promise<IteratorResult<unknown>>(() => undefined);
        const next = async () => {
          const step = rows.next();
          return step.done ? never : step;
        };
        const done = async () => {
          left();
          return { done: true as const, value: undefined };
        };
        return { next, return: done };
      },
    };
    await expect(gateway.client().submitRows(silent, { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'ROWS_TIMEOUT',
    });
    await returned;
  });

  it('are made no faster than they are sent', async () => {
    const { client } = await bareGateway(() => undefined);
    let made = 0;
    function* source() {
      for (; ; made++) yield Array(1000).fill(1);
    }
    const code = 'HTTP_TIMEOUT';
    await expect(client().submitRows(source(), { timeoutMs: 2000 })).rejects.toMatchObject({ code });
    // What sockets and pieces hold: a few MB of 2 KB each.
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(20_000);
  });

  it('end with the error of their source, of a row, or when the next is late', async () => {
    const { client } = await bareGateway((request) => request.resume());
    function* broken() {
      yield [1];
      throw new RangeError('the file ends');
    }
    await expect(client().submitRows(broken())).rejects.toThrow(new RangeError('the file ends'));
    const loop: unknown[] = [];
    loop.push(loop);
    await expect(client().submitRows([[1], loop])).rejects.toMatchObject({
      code: 'INPUT_JSON',
      message: expect.stringMatching(/^row 2: /),
    });
    async function* silent() {
      yield [1];
      await new Promise(() => undefined);
    }
    await expect(client().submitRows(silent(), { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'ROWS_TIMEOUT',
    });
  });

  it('are sent again after a lost connection where that is possible: from a list', async () => {
    const lost = () =>
      fakeGateway((_, response, nth) => {
        if (nth === 0) response.destroy();
        else sendJson(response, 201, JOB);
      });
    const list = await lost();
    expect(await list.client().submitRows([[1], [2]])).toMatchObject({ id: 'a' });
    expect(list.seen.map(({ url, body }) => url + body)).toEqual(
      Array(2).fill(expect.stringMatching(/\[1\]\n\[2\]\n$/)),
    );
    const stream = await lost();
    const once = [[1], [2]].values();
    await expect(stream.client().submitRows(once)).rejects.toMatchObject({ code: 'HTTP_UNREACHABLE' });
    expect(stream.seen).toHaveLength(1);
  });
});
