import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { exposedValue, parseExposition } from '../support/exposition.js';
import { useRedis } from '../support/redis.js';
import { startServer, type TestServer } from '../support/serve.js';
import type { TestWorker } from '../support/worker.js';

const redis = useRedis();
const infer = useInfer(redis);
const shell = promisify(execFile);
const input = Array.from({ length: 64 }, () => 0);
let worker: TestWorker;

beforeAll(async () => {
  worker = await infer.worker(['-Q', 'realtime,held']);
}, 120_000);
afterAll(() => worker.stop());

const post = (server: TestServer, body: object, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'digits', input, ...body }),
  });

/** Resolves when so many requests are under way, the one that asks not counted. */
const underWay = (server: TestServer, count: number) =>
  until(async () => {
    const open = parseExposition(await (await fetch(`${server.url}/metrics`)).text());
    return exposedValue(open, 'infer_http_open_requests') === count + 1 ? true : undefined;
  });

describe('infer serve', () => {
  it('shows a curl line for each model that works as it is typed', async () => {
    const server = await startServer(infer);
    const [line = ''] = server.stderr.split('\n').filter((one) => one.trim().startsWith('curl'));
    const { stdout } = await shell('sh', ['-c', `${line.trim()} -s`]);
    expect(JSON.parse(stdout)).toMatchObject({ model: 'digits', state: 'completed' });
    expect(await server.stop()).toBe(0);
  });

  it('answers who waits when it is stopped, and refuses new work meanwhile', async () => {
    await infer.ask(['control', 'pause', 'held']);
    const server = await startServer(infer);
    const waiting = post(server, { queue: 'held' }, { prefer: 'wait=60' });
    await underWay(server, 1);
    server.signal('SIGTERM');
    await server.said(/stopping: finishing 1 request, 30 s at most/);
    const refused = await post(server, { queue: 'realtime' });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(refused.headers.get('connection')).toBe('close');
    expect(await refused.json()).toMatchObject({ code: 'DRAINING' });
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, ((await ready.json()) as { code: string }).code]).toEqual([503, 'DRAINING']);
    await infer.ask(['control', 'resume', 'held']);
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'completed' });
    expect(await server.exited).toBe(0);
  });

  it('exports how far its ETAs were off', async () => {
    const server = await startServer(infer);
    type Job = { id: string; eta?: object | null };
    const job = async (where: string) => (await server.get(`/v1/jobs/${where}`)).body as unknown as Job;
    // Its workers have to have ended a job before there is an ETA.
    expect((await post(server, {}, { prefer: 'wait=60' })).status).toBe(200);
    const far = (await (await post(server, { delay: '1h' })).json()) as Job;
    await until(async () => ((await job(far.id)).eta ? true : undefined), 30_000);
    const near = (await (await post(server, { delay: '10s' })).json()) as Job;
    expect((await job(near.id)).eta).toMatchObject({ startMs: { p50: expect.any(Number) } });
    expect((await server.get(`/v1/jobs/${near.id}/result?wait=60s`)).status).toBe(200);
    await fetch(`${server.url}/v1/jobs/${far.id}/cancel`, { method: 'POST' });
    const metrics = parseExposition(await (await fetch(`${server.url}/metrics`)).text());
    const sum = (family: string, name: string, wanted: Record<string, string>) =>
      (metrics.get(family)?.samples ?? [])
        .filter((one) => one.name === name)
        .filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
        .reduce((total, { value }) => total + value, 0);
    expect(sum('infer_eta_jobs_total', 'infer_eta_jobs_total', { queue: 'realtime' })).toBe(1);
    for (const moment of ['start', 'end']) {
      const labels = { queue: 'realtime', moment };
      expect(sum('infer_eta_error_seconds', 'infer_eta_error_seconds_count', labels)).toBe(1);
      expect(sum('infer_eta_error_seconds', 'infer_eta_error_seconds_sum', labels)).toBeLessThan(60);
    }
    expect(await server.stop()).toBe(0);
  });

  it('leaves at the second signal, and tells whoever waits where the job is', async () => {
    await infer.ask(['control', 'pause', 'held']);
    const server = await startServer(infer);
    const waiting = post(server, { queue: 'held' }, { prefer: 'wait=60' });
    await underWay(server, 1);
    server.signal('SIGINT');
    await server.said(/stopping: finishing 1 request/);
    // A repeat within a quarter of a second is the same key press.
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.signal('SIGINT');
    expect(await server.exited).toBe(143);
    const answer = await waiting;
    const { id } = (await answer.json()) as { id: string };
    expect([answer.status, answer.headers.get('location')]).toEqual([202, `/v1/jobs/${id}`]);
    await infer.ask(['control', 'resume', 'held']);
    await infer.ask(['result', id, '--wait']);
  });

  it('holds the limits of a token at all gateways together', async () => {
    const file = path.join(infer.dir, 'limits.json');
    const args = ['--token-file', file, '--rate', '0.001', '--burst', '2'];
    const token = (await infer.ask(['token', 'create', 'web', ...args])).stdout.trim();
    const headers = { authorization: `Bearer ${token}` };
    const servers = await Promise.all([1, 2].map(() => startServer(infer, ['--token-file', file])));
    const [one, two] = servers as [TestServer, TestServer];
    expect((await post(one, {})).status).toBe(401);
    const first = await post(one, {}, headers);
    expect(first.status).toBe(202);
    expect(first.headers.get('ratelimit-policy')).toBe('"rate";q=2;w=2000');
    expect(first.headers.get('ratelimit')).toMatch(/^"rate";r=1;t=\d+$/);
    expect((await post(two, {}, headers)).status).toBe(202);
    for (const server of servers) {
      const refused = await post(server, {}, headers);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toBe('60');
      expect(await refused.json()).toMatchObject({ code: 'RATE_LIMIT', 'violated-policies': ['rate'] });
    }
    for (const server of servers) expect(await server.stop()).toBe(0);
  });
});
