import { beforeAll, describe, expect, it } from 'vitest';
import { says, until, useInfer } from '../../support/cli.js';
import { startRedis, useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';
import { eventsOf } from './sse.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const LONG = { model: 'slow', input: { x: [0, 0], turns: [1_000_000] } };

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime']);
});

describe('a caller that disconnects', () => {
  const running = async () =>
    until(async () => {
      const { items } = (await gateway.ask('GET', '/v1/jobs?state=active')).body;
      return items?.[0]?.id as string | undefined;
    });
  const state = async (id: string) => (await gateway.ask('GET', `/v1/jobs/${id}`)).body.state;

  it('cancels the job that only it waits for', async () => {
    const leaves = new AbortController();
    const waits = gateway.ask('POST', '/v1/jobs', {
      json: LONG,
      headers: { prefer: 'wait=20' },
      signal: leaves.signal,
    });
    waits.catch(() => undefined);
    const id = await running();
    leaves.abort();
    await until(async () => ((await state(id)) === 'cancelled' ? true : undefined));
  });

  it('cancels the group that only it waits for', async () => {
    const leaves = new AbortController();
    const row = JSON.stringify(LONG.input);
    const request = gateway.ask('POST', '/v1/jobs?model=slow&queue=realtime', {
      body: `${row}\n${row}\n`,
      headers: { 'content-type': 'application/x-ndjson', prefer: 'wait=20' },
      signal: leaves.signal,
    });
    request.catch(() => undefined);
    const [group] = (await running()).split('-') as [string];
    leaves.abort();
    await until(async () => (['active', 'waiting'].includes(await state(group)) ? undefined : true));
    expect((await gateway.ask('GET', `/v1/jobs/${group}/result`)).body.code).toBe('CANCELLED');
  });

  it('never cancels a job that it can fetch later, nor one that it does not wait for', async () => {
    const leaves = new AbortController();
    const signal = leaves.signal;
    const waits = gateway.ask('PUT', '/v1/jobs/mine-1', {
      json: LONG,
      headers: { prefer: 'wait=20' },
      signal,
    });
    waits.catch(() => undefined);
    const id = await running();
    expect(id).toBe('mine-1');
    const polls = gateway.ask('GET', `/v1/jobs/${id}?wait=20s`, { signal });
    polls.catch(() => undefined);
    const events = eventsOf(gateway, id, { signal });
    await events.next();
    leaves.abort();
    await Promise.allSettled([waits, polls, events.next()]);
    await until(async () => (gateway.gateway.client.watcher.size === 0 ? true : undefined));
    expect(await state(id)).toBe('active');
    expect((await gateway.ask('POST', `/v1/jobs/${id}/cancel`)).status).toBe(202);
    await until(async () => ((await state(id)) === 'cancelled' ? true : undefined));
  });
});

describe('an unreachable Redis', () => {
  it('answers new and waiting requests with 503; streams stay open and continue afterwards', async () => {
    const own = await startRedis({ args: ['--appendonly', 'yes'] });
    const other = await GatewayKit.open(own, { modelsDir: models.dir });
    try {
      const { id } = (await other.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' } })).body;
      const seen: string[] = [];
      let told = (): void => undefined;
      const first = new Promise<void>((resolve) => {
        told = resolve;
      });
      const following = (async () => {
        for await (const { event, data } of eventsOf(other, id)) {
          seen.push(event === 'end' ? `end ${data.state}` : event);
          told();
        }
      })();
      await first;
      const polls = other.ask('GET', `/v1/jobs/${id}?wait=3s`);
      await own.kill();
      for (const [method, address, body] of [
        ['POST', '/v1/jobs', json],
        ['PUT', '/v1/jobs/away-1', json],
        ['GET', `/v1/jobs/${id}`, undefined],
        ['GET', `/v1/jobs/${id}/result`, undefined],
        ['GET', '/v1/jobs', undefined],
        ['GET', '/v1/queues', undefined],
        ['POST', `/v1/jobs/${id}/cancel`, undefined],
        ['GET', `/result/${id}`, undefined],
      ] as const) {
        const away = await other.ask(method, address, body === undefined ? {} : { json: body });
        expect([method, address, away.status]).toEqual([method, address, 503]);
        expect(away.text).not.toContain(own.dir);
      }
      expect((await polls).status).toBe(503);
      await own.restart();
      const back = await until(async () => {
        const answer = await other.ask('GET', `/v1/jobs/${id}`);
        return answer.status === 200 ? answer : undefined;
      });
      expect(back.body.state).toBe('waiting');
      expect((await other.ask('POST', `/v1/jobs/${id}/cancel`)).status).toBe(200);
      await following;
      expect(seen.at(-1)).toBe('end cancelled');
      expect(other.failures).toEqual([]);
    } finally {
      await other.close();
      await own.stop();
    }
  });

  it('in the middle of a wait: the wait continues if it is back in time, and the job ends once', {
    timeout: 300_000,
  }, async () => {
    const own = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const other = await GatewayKit.open(own, { modelsDir: models.dir });
    try {
      const worker = await infer.worker(['--models', models.dir, '-Q', 'realtime'], { redis: own.url });
      const work = { model: 'slow', input: { x: [0, 0], turns: [400] } };
      const put = (headers = {}) => other.ask('PUT', '/v1/jobs/across', { json: work, headers });
      await until(async () => ((await put()).status < 300 ? true : undefined));
      const waits = put({ prefer: 'wait=20' });
      await until(async () => {
        const { body } = await other.ask('GET', '/v1/jobs/across');
        return ['active', 'completed'].includes(body.state) ? true : undefined;
      });
      await own.kill();
      await own.restart();
      const { status, body } = await waits;
      // The answer, the job as it stands, or that Redis could not be asked; never an error of ours.
      expect([200, 503]).toContain(status);
      if (status === 200 && body.state !== 'completed') expect(body.id).toBe('across');
      const ended = await until(async () => {
        const found = await other.ask('GET', '/v1/jobs/across?wait=5s');
        return found.body.state === 'completed' ? found.body : undefined;
      }, 100_000);
      expect(ended.result).toEqual({ y: [expect.any(Number), expect.any(Number)] });
      expect(other.failures).toEqual([]);
      await worker.stop();
    } finally {
      await other.close();
      await own.stop();
    }
  });
});

describe('Redis that restarts', () => {
  it('in the middle of an inference: the outputs, or 503 or 504; never an error of the server, and no job goes on', {
    timeout: 300_000,
  }, async () => {
    const own = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const other = await GatewayKit.open(own, { modelsDir: models.dir });
    try {
      const worker = await infer.worker(['--models', models.dir, '-Q', 'realtime'], { redis: own.url });
      const run = (turns: number) =>
        other.ask('POST', '/v2/models/slow/infer', {
          json: {
            inputs: [
              { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
              { name: 'turns', datatype: 'INT64', shape: [1], data: [turns] },
            ],
          },
        });
      await until(async () => (await run(1)).status === 200);
      const waits = run(400);
      await until(async () => (await other.ask('GET', '/v1/jobs?state=active')).body.items?.length > 0);
      await own.kill();
      await own.restart();
      const { status, body } = await waits;
      expect([200, 503, 504]).toContain(status);
      if (status === 200) expect(body.outputs[0]).toMatchObject({ name: 'y', shape: [1, 2] });
      else expect(body.error).toEqual(expect.any(String));
      await until(async () => {
        const left = await other.ask('GET', '/v1/jobs?state=active,waiting,delayed');
        return left.status === 200 && left.body.items.length === 0;
      }, 100_000);
      expect(other.failures).toEqual([]);
      await worker.stop();
    } finally {
      await other.close();
      await own.stop();
    }
  });
});

describe('two gateways', () => {
  it('behave as one: what one accepts the other reads, waits for, repeats and cancels', async () => {
    const other = await GatewayKit.open(redis, { modelsDir: models.dir });
    const headers = { 'idempotency-key': 'over-two' };
    const sent = await gateway.ask('POST', '/v1/jobs', { json, headers });
    const again = await other.ask('POST', '/v1/jobs', { json, headers });
    expect(again.body.id).toBe(sent.body.id);
    const result = await other.ask('GET', `/v1/jobs/${sent.body.id}/result?wait=20s`);
    expect(result.body).toEqual({ y: [3, 5, 7, 9] });
    const { id } = (await other.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' } })).body;
    const events = eventsOf(gateway, id);
    await events.next();
    expect((await other.ask('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
    let last: string | undefined;
    for await (const { event } of events) last = event;
    expect(last).toBe('end');
    expect((await gateway.ask('GET', `/v1/jobs/${id}`)).status).toBe(404);
    await other.close();
  });
});

describe('kill -9 of the gateway under load', () => {
  /** A gateway of its own process. */
  const start = async () => {
    const run = infer.start(['serve', '--port', '0', '--models', models.dir]);
    let url = '';
    run.stderr?.on('data', (chunk: Buffer) => {
      url ||= /http:\/\/127\.0\.0\.1:\d+/.exec(chunk.toString())?.[0] ?? '';
    });
    await says(run, 'ready');
    await until(async () => url !== '');
    return { run, url };
  };
  const headers = { 'content-type': 'application/json' };
  const queued = async (queue: string) =>
    (await redis.client()).zcard(`{infer:${queue}}:${queue}:prioritized`);

  it('loses no accepted job', async () => {
    const { run, url } = await start();
    const accepted: string[] = [];
    let sent = 0;
    const submit = async (): Promise<void> => {
      for (;;) {
        sent += 1;
        const answer = await fetch(`${url}/v1/jobs`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ ...json, queue: 'killed' }),
        });
        const { id } = (await answer.json()) as { id: string };
        expect(answer.status).toBe(202);
        accepted.push(id);
        if (accepted.length === 300) run.kill('SIGKILL');
      }
    };
    await Promise.allSettled(Array.from({ length: 16 }, submit));
    await run;
    expect(accepted.length).toBeGreaterThanOrEqual(300);
    const states = await Promise.all(
      accepted.map(async (id) => (await gateway.ask('GET', `/v1/jobs/${id}`)).body.state as string),
    );
    expect(states.filter((one) => one !== 'waiting')).toEqual([]);
    const kept = await queued('killed');
    expect(kept).toBeGreaterThanOrEqual(accepted.length);
    expect(kept).toBeLessThanOrEqual(sent);
  });

  it('an id whose answer did not come is one job when another gateway gets it again', async () => {
    const { run, url } = await start();
    const body = JSON.stringify({ ...json, queue: 'resent' });
    const sent: string[] = [];
    let answered = 0;
    const submit = async (): Promise<void> => {
      for (;;) {
        const id = `resent-${sent.length}`;
        sent.push(id);
        const answer = await fetch(`${url}/v1/jobs/${id}`, { method: 'PUT', headers, body });
        await answer.arrayBuffer();
        answered += 1;
        if (answered === 200) run.kill('SIGKILL');
      }
    };
    await Promise.allSettled(Array.from({ length: 16 }, submit));
    await run;
    expect(sent.length).toBeGreaterThan(answered);
    const again = await Promise.all(
      sent.map(async (id) => (await gateway.ask('PUT', `/v1/jobs/${id}`, { body, headers })).status),
    );
    expect(again.filter((status) => status !== 200 && status !== 201)).toEqual([]);
    expect(await queued('resent')).toBe(sent.length);
  });

  it('rows that were on their way are a whole group when they are sent again', async () => {
    const { run, url } = await start();
    const rows = 20_000;
    const address = '/v1/jobs/resent-group?model=doubler&queue=regrouped';
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => `[${from + i},0,0,0]\n`).join('');
    // The second half never comes.
    const half = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(lines(0, rows / 2))),
    });
    const ndjson = { 'content-type': 'application/x-ndjson' };
    const first = fetch(`${url}${address}`, {
      method: 'PUT',
      headers: ndjson,
      body: half,
      duplex: 'half',
    } as RequestInit);
    const lost = first.then(
      () => false,
      () => true,
    );
    await until(async () => (await queued('regrouped')) > 0);
    run.kill('SIGKILL');
    await run;
    expect(await lost).toBe(true);
    const again = await gateway.ask('PUT', address, { body: lines(0, rows), headers: ndjson });
    expect(again.status).toBeLessThan(300);
    const { body } = await gateway.ask('GET', '/v1/jobs/resent-group');
    expect(body).toMatchObject({ kind: 'group', rows, state: 'waiting', closed: true });
    expect(await queued('regrouped')).toBe(body.jobs);
  });
});
