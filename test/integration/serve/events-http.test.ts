import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';
import { eventsOf, type ServerEvent } from './sse.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const submit = async (more: object = {}): Promise<string> =>
  (await gateway.ask('POST', '/v1/jobs', { json: { ...json, ...more } })).body.id;
const all = async (id: string): Promise<ServerEvent[]> => {
  const events = [];
  for await (const event of eventsOf(gateway, id)) events.push(event);
  return events;
};

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

describe('GET /v1/jobs/:id/events', () => {
  it('is an event stream that proxies do not buffer, with a reconnection time', async () => {
    const id = await submit({ queue: 'nobody' });
    const over = new AbortController();
    const answer = await gateway.fetch('GET', `/v1/jobs/${id}/events`, { signal: over.signal });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const reader = answer.body?.getReader();
    let text = '';
    while (!text.includes('event: position')) text += new TextDecoder().decode((await reader?.read())?.value);
    expect(text).toMatch(/^retry: 3000\n\nevent: state\ndata: \{/);
    over.abort();
    await until(async () => (gateway.gateway.client.watcher.size === 0 ? true : undefined));
  });

  it('begins with the current state, and ends with the result', async () => {
    const id = await submit({ model: 'slow', input: { x: [0, 0], turns: [400] } });
    const events = await all(id);
    expect(events[0]).toMatchObject({ event: 'state', data: { id } });
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { id, state: 'completed', result: expect.anything() },
    });
    expect(events.filter(({ event }) => event === 'end')).toHaveLength(1);
  });

  it('of an ended job sends the end immediately: a client that reconnects needs no history', async () => {
    const { body } = await gateway.ask('POST', '/v1/jobs', { json, headers: { prefer: 'wait' } });
    const events = await all(body.id);
    expect(events).toEqual([
      { event: 'end', data: expect.objectContaining({ state: 'completed', result: { y: [3, 5, 7, 9] } }) },
    ]);
  });

  it('sends the position, also when it changes', async () => {
    const first = await submit({ queue: 'places', priority: 5 });
    const second = await submit({ queue: 'places' });
    const ahead: number[] = [];
    for await (const { event, data } of eventsOf(gateway, second)) {
      if (event !== 'position') continue;
      ahead.push(data.position.jobsAhead);
      expect(data).toMatchObject({ id: second, eta: null, why: { code: expect.any(String) } });
      if (ahead.length === 1) await gateway.ask('POST', `/v1/jobs/${first}/cancel`);
      if (data.position.jobsAhead === 0) break;
    }
    expect(ahead).toEqual([1, 0]);
  });

  it('sends the progress of a group', async () => {
    const body = Array.from({ length: 1500 }, (_, i) => `[${i},0,0,0]`).join('\n');
    const headers = { 'content-type': 'application/x-ndjson' };
    const sent = await gateway.ask('POST', '/v1/jobs?model=doubler', { body, headers });
    const events = await all(sent.body.id);
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { state: 'completed', rows: 1500, rowsDone: 1500 },
    });
    const progress = events.filter(({ event }) => event === 'progress').map(({ data }) => data.rowsDone);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('ends when the job is deleted or cancelled by someone else', async () => {
    const id = await submit({ queue: 'nobody' });
    const seen: ServerEvent[] = [];
    for await (const event of eventsOf(gateway, id)) {
      if (seen.length === 0) await gateway.ask('DELETE', `/v1/jobs/${id}`);
      seen.push(event);
    }
    expect(seen.at(-1)?.event).toBe('end');
    expect(['cancelled', 'gone']).toContain(seen.at(-1)?.data.state);
  });

  it('follows a job that is moved to another queue', async () => {
    const id = await submit({ queue: 'nobody' });
    const states: string[] = [];
    for await (const { event, data } of eventsOf(gateway, id)) {
      if (states.length === 0) await infer.run(['control', 'move', id, '--to', 'realtime']);
      if (event !== 'position') states.push(data.state);
    }
    expect(states.at(-1)).toBe('completed');
  });

  it('answers 404 for an unknown id, and refuses HEAD, which would never end', async () => {
    expect((await gateway.ask('GET', '/v1/jobs/none/events')).status).toBe(404);
    const id = await submit({ queue: 'nobody' });
    expect((await gateway.fetch('HEAD', `/v1/jobs/${id}/events`)).status).toBe(405);
  });

  it('ends all streams and long polls when the server shuts down', async () => {
    const other = await GatewayKit.open(redis, { modelsDir: models.dir });
    const id = await submit({ queue: 'nobody' });
    const waits = other.ask('GET', `/v1/jobs/${id}?wait=20s`);
    const seen: string[] = [];
    let closed: Promise<void> | undefined;
    for await (const { event } of eventsOf(other, id)) {
      seen.push(event);
      closed ??= until(async () => (other.gateway.client.watcher.size === 1 ? true : undefined)).then(() =>
        other.close(20_000),
      );
    }
    await closed;
    expect(seen[0]).toBe('state');
    expect(seen).not.toContain('end');
    expect((await waits).body.state).toBe('waiting');
  });
});

describe('a thousand streams', () => {
  it('share one reader: Redis sees no more connections, and a few round trips a second', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => submit({ queue: 'crowd' })));
    const client = await redis.client();
    const connections = async () => Number(/connected_clients:(\d+)/.exec(await client.info('clients'))?.[1]);
    const commands = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
    // The first one opens the blocking connection that all share.
    const over = new AbortController();
    const opened: Promise<Response>[] = [
      gateway.fetch('GET', `/v1/jobs/${ids[0]}/events`, { signal: over.signal }),
    ];
    await opened[0];
    await until(async () => ((await connections()) >= 0 ? true : undefined));
    const before = await connections();
    for (let i = 1; i < 1000; i++) {
      opened.push(gateway.fetch('GET', `/v1/jobs/${ids[i % 20]}/events`, { signal: over.signal }));
      if (i % 100 === 0) await Promise.all(opened);
    }
    await Promise.all(opened);
    expect(gateway.gateway.client.watcher.size).toBe(20);
    expect(await connections()).toBeLessThanOrEqual(before + 1);
    const from = { at: performance.now(), commands: await commands() };
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const seconds = (performance.now() - from.at) / 1000;
    const rate = ((await commands()) - from.commands) / seconds;
    // 20 ids a second, the deadlines of their queue, heartbeats of a worker: nothing for each stream.
    expect(rate).toBeLessThan(400);
    over.abort();
    await until(async () => (gateway.gateway.client.watcher.size === 0 ? true : undefined));
  });
});
