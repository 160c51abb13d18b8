import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const models = useModels();
/** Memory for little more than one body of the largest size, and at most four waits, longer than a test. */
const limits = { maxBody: 100_000, maxBodies: 150_000, maxOpen: 4, maxWaitMs: 100_000 };
const gateway = useGateway(redis, { models, limits });

const ends: (() => void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await until(async () => (gateway.gateway.waits.size === 0 ? true : undefined));
});

const json = { model: 'doubler', input: [1, 2, 3, 4], queue: 'nobody' };
const submit = async (as: string): Promise<string> =>
  (await gateway.ask('POST', '/v1/jobs', { as, json })).body.id;

/** Sends a request that stays open until the test ends it; resolves when it has begun to wait. */
async function hold(as: string, address: string): Promise<() => void> {
  const over = new AbortController();
  const before = gateway.gateway.waits.size;
  const answer = gateway.fetch('GET', address, { as, signal: over.signal });
  answer.catch(() => undefined);
  await until(async () => (gateway.gateway.waits.size > before ? true : undefined));
  const end = () => over.abort();
  ends.push(end);
  return end;
}

describe('open event streams and waits', () => {
  it('are limited for each token: one more is refused, and accepted when another has ended', async () => {
    const id = await submit('held');
    await hold('held', `/v1/jobs/${id}/events`);
    const end = await hold('held', `/v1/jobs/${id}?wait=100s`);
    const inference = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
    const refused = [
      await gateway.ask('GET', `/v1/jobs/${id}/events`, { as: 'held' }),
      await gateway.ask('GET', `/v1/jobs/${id}?wait=1s`, { as: 'held' }),
      await gateway.ask('GET', `/v1/jobs/${id}/result?wait=1s`, { as: 'held' }),
      await gateway.ask('POST', '/v1/jobs', { as: 'held', json, headers: { prefer: 'wait=1' } }),
    ];
    for (const { status, body, headers } of refused) {
      expect(status).toBe(429);
      expect(body).toMatchObject({ code: 'OPEN_LIMIT', 'violated-policies': ['open'] });
      expect(headers.get('retry-after')).toBe('5');
    }
    const ofOthers = [
      await gateway.ask('POST', '/v2/models/doubler/infer', { as: 'held', json: inference }),
      await gateway.ask('POST', '/v1/embeddings', { as: 'held', json: { model: 'doubler', input: 'a' } }),
    ];
    expect(ofOthers.map(({ status }) => status)).toEqual([429, 429]);
    // Requests that do not wait are answered, and other tokens have their own limit.
    expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'held' })).status).toBe(200);
    expect((await gateway.ask('GET', `/v1/jobs/${id}/result`, { as: 'held' })).status).toBe(202);
    await hold('bob', `/v1/jobs/${await submit('bob')}/events`);
    end();
    await until(async () => (gateway.gateway.waits.size === 2 ? true : undefined));
    await hold('held', `/v1/jobs/${id}/events`);
  });

  it('include uploads of rows, from beginning to end', async () => {
    const options = (type: string) => ({
      method: 'POST',
      headers: { authorization: 'Bearer held', 'content-type': type },
    });
    const upload = async (type: string) => {
      const before = gateway.gateway.waits.size;
      const sent = request(`${gateway.url}/v1/jobs?model=doubler&queue=nobody`, options(type));
      sent.on('error', () => undefined);
      ends.push(() => sent.destroy());
      sent.flushHeaders();
      await until(async () => (gateway.gateway.waits.size > before ? true : undefined));
      return sent;
    };
    const rows = await upload('application/x-ndjson');
    const other = await upload('application/x-npy');
    const headers = { 'content-type': 'application/x-ndjson' };
    const third = { as: 'held', body: '[1,2,3,4]\n', headers };
    const address = '/v1/jobs?model=doubler&queue=nobody';
    const refused = await gateway.ask('POST', address, third);
    expect([refused.status, refused.body.code]).toEqual([429, 'OPEN_LIMIT']);
    // A document is read as a whole within a limit of time, so it does not count.
    expect((await gateway.ask('POST', '/v1/jobs', { as: 'held', json })).status).toBe(202);
    rows.end('[1,2,3,4]\n');
    const [answer] = (await once(rows, 'response')) as [IncomingMessage];
    expect(answer.resume().statusCode).toBe(202);
    await until(async () => (gateway.gateway.waits.size === 1 ? true : undefined));
    expect((await gateway.ask('POST', address, third)).status).toBe(202);
    other.destroy();
    await until(async () => (gateway.gateway.waits.size === 0 ? true : undefined));
  });

  it('are limited for the whole gateway, with tokens and without', async () => {
    const id = await submit('bob');
    for (let i = 0; i < 4; i++) await hold('bob', `/v1/jobs/${id}/events`);
    for (const as of ['bob', 'auditor', undefined]) {
      const asked = as === undefined ? {} : { as };
      const { status, body, headers } = await gateway.ask('GET', `/v1/jobs/${id}/events`, asked);
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'SERVER_FULL', '5']);
    }
    // Nothing is queued for a refused wait.
    const sent = { json: { ...json, id: 'never-queued' }, headers: { prefer: 'wait=5' } };
    expect((await gateway.ask('POST', '/v1/jobs', sent)).body.code).toBe('SERVER_FULL');
    expect((await gateway.ask('GET', '/v1/jobs/never-queued')).status).toBe(404);
    expect((await gateway.ask('GET', `/v1/jobs/${id}?wait=1s`)).body.code).toBe('SERVER_FULL');
  });

  it('of ended jobs do not wait, and do not count', async () => {
    const id = await submit('held');
    await gateway.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'held' });
    for (let i = 0; i < 6; i++) {
      expect((await gateway.ask('GET', `/v1/jobs/${id}?wait=5s`, { as: 'held' })).status).toBe(200);
      expect((await gateway.ask('GET', `/v1/jobs/${id}/events`, { as: 'held' })).status).toBe(200);
    }
  });
});

describe('bodies in memory', () => {
  const spaces = (length: number) => Buffer.alloc(length, ' ');

  /** Sends the headers of a request, and no byte of its body. */
  function open(headers: Record<string, string | number>): { sent: ClientRequest; answer: Promise<Told> } {
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
    const sent = request(`${gateway.url}/v1/jobs`, options);
    sent.on('error', () => undefined);
    ends.push(() => sent.destroy());
    const answer = once(sent, 'response').then(([response]) => told(response as IncomingMessage));
    answer.catch(() => undefined);
    sent.flushHeaders();
    return { sent, answer };
  }

  interface Told {
    status: number | undefined;
    again: string | undefined;
    code: string;
  }

  async function told(response: IncomingMessage): Promise<Told> {
    let text = '';
    for await (const piece of response) text += String(piece);
    const again = response.headers['retry-after'];
    return { status: response.statusCode, again, code: JSON.parse(text).code };
  }

  /** A body of 100,000 bytes that is being read: it has arrived in part. */
  async function occupy() {
    const first = open({ 'content-length': 100_000 });
    first.sent.write(spaces(50_000));
    const is = gateway.gateway.bodyMemory;
    await until(async () => (is.bytes === 100_000 ? true : undefined));
    return first;
  }

  const full = { status: 503, again: '2', code: 'BODIES_FULL' };

  it('are limited: one too many is refused unread, and accepted when another has been answered', async () => {
    const first = await occupy();
    expect(await open({ 'content-length': 60_000 }).answer).toEqual(full);
    const small = open({ 'content-length': 10 });
    small.sent.end(spaces(10));
    expect((await small.answer).status).toBe(400);
    first.sent.end(spaces(50_000));
    expect(await first.answer).toMatchObject({ status: 400, code: 'INPUT_JSON' });
    await until(async () => (gateway.gateway.bodyMemory.bytes === 0 ? true : undefined));
    const second = open({ 'content-length': 100_000 });
    second.sent.end(spaces(100_000));
    expect((await second.answer).status).toBe(400);
  });

  it('without a length are refused as soon as the limit is reached', async () => {
    await occupy();
    const chunked = open({ 'transfer-encoding': 'chunked' });
    chunked.sent.write(spaces(40_000));
    await until(async () => (gateway.gateway.bodyMemory.bytes === 140_000 ? true : undefined));
    chunked.sent.write(spaces(40_000));
    expect(await chunked.answer).toEqual(full);
    await until(async () => (gateway.gateway.bodyMemory.bytes === 100_000 ? true : undefined));
  });

  it('are released when the caller disconnects', async () => {
    const first = await occupy();
    first.sent.destroy();
    await until(async () => (gateway.gateway.bodyMemory.bytes === 0 ? true : undefined));
  });

  it('that are streamed as rows are not limited', async () => {
    await occupy();
    const headers = { 'content-type': 'application/x-ndjson' };
    const body = '[1,2,3,4]\n'.repeat(20_000);
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler&queue=nobody', { body, headers });
    expect(sent).toMatchObject({ status: 202, body: { kind: 'group', rows: 20_000 } });
  });
});
