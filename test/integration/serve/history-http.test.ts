import { beforeAll, describe, expect, it } from 'vitest';
import { writeAudit } from '../../../src/lib/queue/audit.js';
import { writeEvent } from '../../../src/lib/queue/events/write-event.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { type GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });
let client: RedisClient;

beforeAll(async () => {
  client = await redis.client('command');
  await infer.worker(['--models', models.dir, '-Q', 'realtime', '--name', 'w1']);
  const body = { model: 'doubler', input: [1, 2, 3, 4], queue: 'realtime' };
  await gateway.ask('POST', '/v1/jobs', { json: body, headers: { prefer: 'wait=60' } });
  await until(async () => {
    const { body: answer } = await gateway.ask('GET', '/v1/history?queue=realtime');
    return answer.history?.[0]?.total.jobs.completed === 1;
  });
});

const event = (text: string) =>
  writeEvent(client, 'infer', {
    kind: 'scaled',
    subject: { kind: 'autoscaler', name: 'x' },
    text,
    alarm: false,
    data: {},
  });
const audit = () =>
  writeAudit(client, 'infer', {
    ...{ who: 'alice', host: 'h', channel: 'cli', action: 'pause', target: 'realtime', detail: '' },
    ...{ count: 1, outcome: 'ok', code: null, result: 'paused' },
  });

/** Server-sent events as they come. */
async function* streamed(
  kit: GatewayKit,
  address: string,
  options: Parameters<GatewayKit['fetch']>[2] = {},
): AsyncGenerator<{ event: string | undefined; id: string | undefined; text: string }> {
  const headers = { accept: 'text/event-stream', ...options.headers };
  const answer = await kit.fetch('GET', address, { ...options, headers });
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(piece, { stream: true });
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const block = text.slice(0, at);
      text = text.slice(at + 2);
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      yield {
        event: /^event: (.*)$/m.exec(block)?.[1],
        id: /^id: (.*)$/m.exec(block)?.[1],
        text: JSON.parse(data).text,
      };
    }
  }
}

describe('GET /v1/history', () => {
  it('is what inspect history --json shows', async () => {
    const { history } = (await infer.run(['inspect', 'history', '--json'])).json<{ history: object[] }>();
    const { body } = await gateway.ask('GET', '/v1/history');
    expect(Object.keys(body.history[0])).toEqual(Object.keys(history[0] as object));
    expect(body.history[0]).toMatchObject({ kind: 'all', name: null, range: '1h', stepMs: 60_000 });
    const named = await gateway.ask('GET', '/v1/history?queue=realtime&model=doubler&worker=w1&range=5m');
    expect(named.body.history.map(({ kind, name }: { kind: string; name: string }) => [kind, name])).toEqual([
      ['queue', 'realtime'],
      ['model', 'doubler'],
      ['worker', 'w1'],
    ]);
    for (const one of named.body.history) expect(one.total.jobs.completed).toBe(1);
    const each = await gateway.ask('GET', '/v1/history?by=model&range=14d&step=2h');
    expect(each.body.history).toMatchObject([{ name: 'doubler', stepMs: 7_200_000 }]);
  });

  it.each([
    ['queue=nosuch', 404, 'QUEUE_UNKNOWN'],
    ['worker=nosuch', 404, 'WORKER_UNKNOWN'],
    ['model=nosuch', 404, 'MODEL_UNKNOWN'],
    ['range=2h', 400, 'PARAMETER'],
    ['step=7m', 400, 'FILTER'],
    ['step=soon', 400, 'DURATION'],
    ['colour=red', 400, 'PARAMETER'],
  ])('refuses %s', async (query, status, code) => {
    const refused = await gateway.ask('GET', `/v1/history?${query}`);
    expect([refused.status, refused.body.code]).toEqual([status, code]);
  });
});

describe('GET /v1/events', () => {
  it('lists events and changes; callers who see only their own jobs see no changes', async () => {
    await audit();
    const { body } = await gateway.ask('GET', '/v1/events');
    const kinds = body.events.map(({ kind }: { kind: string }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['worker-started', 'change']));
    const alices = await gateway.ask('GET', '/v1/events', { as: 'alice' });
    expect(alices.body.events.map(({ kind }: { kind: string }) => kind)).not.toContain('change');
    const only = await gateway.ask('GET', '/v1/events?kind=change', { as: 'alice' });
    expect(only.body.events).toEqual([]);
    const after = await gateway.ask('GET', `/v1/events?after=${body.cursor}`);
    expect(after.body.events).toEqual([]);
  });

  it('streams the past and what follows, each once, and continues after the last one', async () => {
    const leave = new AbortController();
    await event('old');
    await event('past');
    const stream = streamed(gateway, '/v1/events?limit=1&kind=scaled', { signal: leave.signal });
    const seen = [(await stream.next()).value];
    await event('one');
    await event('two');
    while (seen.at(-1)?.text !== 'two') seen.push((await stream.next()).value);
    const texts = seen.map((one) => one?.text);
    expect(texts).toEqual(['past', 'one', 'two']);
    const { id } = seen.at(-1) ?? {};
    expect(id).toMatch(/^\d+-\d+:/);
    leave.abort();
    await stream.next().catch(() => undefined);
    await event('missed');
    const again = new AbortController();
    const headers = { 'last-event-id': id as string };
    const next = streamed(gateway, '/v1/events?kind=scaled', { headers, signal: again.signal });
    expect((await next.next()).value).toMatchObject({ event: 'scaled', text: 'missed' });
    again.abort();
    await next.next().catch(() => undefined);
  });

  it.each([
    ['kind=nosuch', 'FILTER'],
    ['after=1', 'CURSOR'],
    ['since=soon', 'DURATION'],
    ['limit=1001', 'PARAMETER'],
  ])('refuses %s', async (query, code) => {
    const refused = await gateway.ask('GET', `/v1/events?${query}`);
    expect([refused.status, refused.body.code]).toEqual([400, code]);
  });
});
