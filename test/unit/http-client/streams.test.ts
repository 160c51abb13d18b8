import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { HttpJob } from '../../../src/lib/http-client/types.js';
import type { JOB as JOB_SCHEMA } from '../../../src/lib/serve/gateway/jobs/job-json.js';
import { DONE, fakeGateway, JOB, sendJson, sendProblem } from './fake-gateway.js';

/** Compiles only while the client knows exactly the fields that the gateway documents. */
type Same<A, B> = [A, B] extends [B, A] ? true : never;
const sameFields: Same<keyof (typeof JOB_SCHEMA)['shape'], keyof HttpJob> = true;
/** And only while each field may hold what the gateway says. */
const sameStates: Same<z.output<typeof JOB_SCHEMA>['state'], HttpJob['state']> = true;

it('knows the fields of the job that the gateway documents', () => {
  expect([sameFields, sameStates]).toEqual([true, true]);
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

const NDJSON = { 'content-type': 'application/x-ndjson' };
const failed = { code: 'RUN_FAILED', message: 'no' };

describe('the rows of a result', () => {
  it('come as they are written, whatever pieces they come in, with the failed ones among them', async () => {
    const gateway = await fakeGateway((request, response) => {
      if (!request.url.includes('result')) return sendJson(response, 200, DONE);
      response.writeHead(200, { ...NDJSON, 'infer-failed-rows': '1' });
      const text = `{"y":"é"}\n${JSON.stringify({ error: failed })}\n{"error":1}\n`;
      const bytes = Buffer.from(text);
      const cut = bytes.indexOf(0xc3) + 1;
      response.write(bytes.subarray(0, cut), () => response.end(bytes.subarray(cut)));
    });
    expect(await all(gateway.client().rows('a'))).toEqual([
      { row: 0, value: { y: 'é' } },
      { row: 1, error: failed },
      { row: 2, value: { error: 1 } },
    ]);
    expect(gateway.seen.at(-1)).toMatchObject({
      url: '/v1/jobs/a/result?partial=true',
      headers: { accept: 'application/x-ndjson' },
    });
  });

  it('go on where a connection broke', async () => {
    const gateway = await fakeGateway((request, response, nth) => {
      if (!request.url.includes('result')) return sendJson(response, 200, DONE);
      response.writeHead(200, NDJSON);
      if (nth < 2) response.write('0\n1\n2', () => setImmediate(() => response.destroy()));
      else response.end('0\n1\n2\n3\n');
    });
    expect(await all(gateway.client().rows('a'))).toEqual([0, 1, 2, 3].map((row) => ({ row, value: row })));
  });

  it('end the request of a reader that has enough', async () => {
    let closed = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const gateway = await fakeGateway((request, response) => {
      if (!request.url.includes('result')) return sendJson(response, 200, DONE);
      response.writeHead(200, NDJSON).write('0\n1\n');
      response.once('close', closed);
    });
    for await (const { row } of gateway.client().rows('a')) if (row === 1) break;
    await ended;
  });

  it('of what goes on are those that are done, or none', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 0) return sendJson(response, 202, JOB);
      response.writeHead(200, NDJSON).end(`1\n${JSON.stringify({ error: failed })}\n`);
    });
    expect(await all(gateway.client().rows('a', { partial: true }))).toEqual([]);
    expect(await all(gateway.client().rows('a', { partial: true }))).toEqual([
      { row: 0, value: 1 },
      { row: 1, error: failed },
    ]);
  });

  it('have limits for each read', async () => {
    const gateway = await fakeGateway((request, response) => {
      if (!request.url.includes('result')) return sendJson(response, 200, DONE);
      response.writeHead(200, NDJSON).write('0\n');
    });
    const slow = gateway.client().rows('a', { timeoutMs: 2000 });
    expect(await slow.next()).toEqual({ done: false, value: { row: 0, value: 0 } });
    await expect(slow.next()).rejects.toMatchObject({ code: 'HTTP_TIMEOUT' });
    const leaves = new AbortController();
    const left = gateway.client().rows('a', { signal: leaves.signal });
    await left.next();
    leaves.abort(new Error('left'));
    await expect(left.next()).rejects.toThrow('left');
  });
});

const tell = (response: ServerResponse, event: string, data: object, more = '') =>
  response.write(`${more}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
const begin = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 10\n\n');

describe('events', () => {
  it('come until the end, over as many connections as that takes, each change once', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      begin(response);
      if (nth === 0) {
        tell(response, 'state', JOB, ': hello\n');
        tell(response, 'position', { id: 'a', position: null }, 'id: 17\r\n');
        tell(response, 'news', { of: 'a newer release' });
        response.end();
      } else if (nth === 1) {
        tell(response, 'state', JOB);
        response.write('event: end\ndata: {"id"', () => setImmediate(() => response.destroy()));
      } else {
        tell(response, 'state', { ...JOB, state: 'active' });
        tell(response, 'end', DONE);
      }
    });
    expect(await all(gateway.client().events('a'))).toEqual([
      { event: 'state', data: JOB },
      { event: 'position', data: { id: 'a', position: null } },
      { event: 'state', data: { ...JOB, state: 'active' } },
      { event: 'end', data: DONE },
    ]);
    expect(gateway.seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '17', '17']);
    expect(gateway.seen[0]).toMatchObject({
      url: '/v1/jobs/a/events',
      headers: { accept: 'text/event-stream' },
    });
  });

  it('are asked for again while the gateway restarts', async () => {
    const gateway = await fakeGateway((_, response, nth) => {
      if (nth === 1) return void response.destroy();
      if (nth === 2) return sendProblem(response, 503, 'REDIS_UNREACHABLE', { 'retry-after': '0' });
      begin(response);
      tell(response, nth === 0 ? 'state' : 'end', nth === 0 ? JOB : DONE);
      response.end();
    });
    const events = await all(gateway.client({ retries: 0 }).events('a'));
    expect(events.map(({ event }) => event)).toEqual(['state', 'end']);
  });

  it('of what is not there are an error', async () => {
    const gateway = await fakeGateway((_, response) => sendProblem(response, 404, 'JOB_UNKNOWN'));
    await expect(all(gateway.client().events('a'))).rejects.toMatchObject({ code: 'JOB_UNKNOWN' });
  });

  it('end with the time of the call, with its signal, and with a reader that has enough', async () => {
    const closed: Promise<void>[] = [];
    const gateway = await fakeGateway((_, response) => {
      begin(response);
      tell(response, 'state', JOB);
      closed.push(new Promise((resolve) => response.once('close', () => resolve())));
    });
    const infer = gateway.client();
    await expect(all(infer.events('a', { timeoutMs: 2000 }))).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' });
    const leaves = new AbortController();
    const events = infer.events('a', { signal: leaves.signal });
    await events.next();
    leaves.abort(new Error('left'));
    await expect(events.next()).rejects.toThrow('left');
    for await (const { event } of infer.events('a')) if (event === 'state') break;
    await Promise.all(closed);
    expect(closed).toHaveLength(3);
  });
});
