import { beforeAll, describe, expect, it } from 'vitest';
import { aclRules } from '../../src/lib/redis/acl.js';
import { denials, setUser } from '../support/acl.js';
import { says, until, useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { exposedValue, parseExposition } from '../support/exposition.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const PASSWORD = 'only-l00king';
const LOOKER = () => ({
  INFER_REDIS_URL: `redis://looker@127.0.0.1:${redis.port}`,
  INFER_REDIS_PASSWORD: PASSWORD,
});

interface Answer {
  queue: string;
  desiredWorkers: number;
  reason: string;
  hold: string | null;
  decidedAt: string;
  paused: boolean;
  waiting: number;
  workers: { ready: number; busy: number; draining: number; expected: number };
}
interface Refusal {
  queue?: string;
  held?: number | null;
  error: { code: string; message: string; hint: string };
}

async function exporter(args: string[] = [], env: Record<string, string> = {}) {
  const port = await freePort();
  const child = infer.start(['metrics', '--port', String(port), ...args], {
    redis: null,
    env: { ...LOOKER(), ...env },
  });
  await says(child, 'ready:');
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: answer.status, text: await answer.text() };
  };
  const ask = async <T = Answer>(path: string) => {
    const { status, text } = await get(`/autoscale/${path}`);
    return { status, json: JSON.parse(text) as T };
  };
  return { child, get, ask };
}

const submit = (queue: string) => infer.run(['submit', ONE_DIGIT, '-Q', queue, '--quiet']);

const looker = () => setUser(redis, 'looker', PASSWORD, aclRules('inspector', 'infer'));
beforeAll(looker);

describe('/autoscale/<queue>', () => {
  let asked: Awaited<ReturnType<typeof exporter>> | undefined;

  it('reports how many workers are wanted, to a read-only user', async () => {
    const served = await exporter();
    await submit('busy');
    // No worker serves it: one is wanted at once, although the minimum is none.
    const first = await served.ask('busy?min=0&max=3&targetWait=5s');
    expect(first).toMatchObject({
      status: 200,
      json: { queue: 'busy', desiredWorkers: 1, hold: null, waiting: 1, workers: { ready: 0, expected: 1 } },
    });
    expect(first.json.reason).toMatch(/^busy 0→1: jobs are waiting and no worker serves them \(backlog 1, /);
    // A worker that registers on any host is the one that was requested.
    const worker = await infer.worker(['-Q', 'busy', '--name', 'pod-1']);
    expect((await served.ask<Refusal>('bsuy')).json.error.hint).toMatch(/^did you mean busy\?/);
    const met = await until(async () => {
      const { json } = await served.ask('busy?min=0&max=3&targetWait=5s');
      return json.workers.ready === 1 ? json : undefined;
    });
    expect(met).toMatchObject({ desiredWorkers: 1, workers: { expected: 0 } });
    // The policies by name, and a pool of several queues.
    expect((await served.ask('busy?policy=fixed:3')).json).toMatchObject({
      desiredWorkers: 3,
      reason: 'busy 1→3: fixed at 3',
      policy: 'fixed:3',
    });
    expect((await served.ask('busy,other?policy=fixed:2')).status).toBe(404);
    await submit('other');
    expect((await served.ask('other,busy?policy=fixed:2')).json).toMatchObject({
      queue: 'other,busy',
      desiredWorkers: 2,
      waiting: 1,
    });
    const metrics = parseExposition((await served.get('/metrics')).text);
    expect(exposedValue(metrics, 'infer_desired_workers', { queue: 'other,busy' })).toBe(2);
    expect(exposedValue(metrics, 'infer_desired_workers', { queue: 'busy' })).toBe(3);
    expect(await worker.stop()).toBe(0);
    served.child.kill('SIGTERM');
    expect((await served.child).exitCode).toBe(0);
    expect(await denials(redis)).toEqual([]);
  });

  it('answers concurrent requests from a single decision', async () => {
    await submit('crowd');
    const served = await exporter();
    const path = 'crowd?policy=step&threshold=1000&min=0';
    const answers = await Promise.all(Array.from({ length: 20 }, () => served.ask(path)));
    expect(new Set(answers.map(({ json }) => json.decidedAt)).size).toBe(1);
    expect(new Set(answers.map(({ json }) => json.reason))).toEqual(new Set(['crowd 0: 1 waiting <= 1000']));
    // The policy's own clock shows that it decided once: its second decision would be 10 s later.
    const again = await until(async () => {
      const { json } = await served.ask(path);
      return json.decidedAt === answers[0]?.json.decidedAt ? undefined : json;
    });
    expect(again.reason).toBe('crowd 0: the next look is every 10s');
  });

  it('wants no workers for a paused queue', async () => {
    await submit('halted');
    await infer.run(['control', 'pause', 'halted']);
    const served = await exporter();
    expect((await served.ask('halted?min=0')).json).toMatchObject({
      desiredWorkers: 0,
      paused: true,
      waiting: 0,
    });
    expect((await served.ask('halted?min=0')).json.reason).toMatch(/^halted 0: paused, /);
    await infer.run(['control', 'resume', 'halted']);
    const resumed = await until(async () => {
      const { json } = await served.ask('halted?min=0');
      return json.paused ? undefined : json;
    });
    expect(resumed.desiredWorkers).toBe(1);
  });

  it.each([
    ['none?min=x', 400, 'PARAMETER', /min 'x' is not a whole number/, /min=4/],
    ['none?min=-1', 400, 'PARAMETER', /min '-1'/, /min=4/],
    ['none?min=', 400, 'PARAMETER', /min '' is not a whole number/, /min=4/],
    ['none?max=0', 400, 'AUTOSCALE_BOUNDS', /max must be at least 1/, /^max=4$/],
    ['none?min=5&max=2', 400, 'AUTOSCALE_BOUNDS', /min=5 is more than max=2/, /^min=2&max=2$/],
    ['none?max=99999', 400, 'AUTOSCALE_BOUNDS', /is over 1024/, /^max=1024$/],
    ['none?threshold=0', 400, 'AUTOSCALE_BOUNDS', /threshold must be at least 1 job/, /^threshold=50$/],
    ['none?targetWait=soon', 400, 'PARAMETER', /targetWait 'soon'/, /targetWait=10s/],
    ['none?targetWait=0s', 400, 'AUTOSCALE_BOUNDS', /^targetWait must be above 0$/, /targetWait.10s/],
    ['none?policy=magic', 400, 'POLICY', /no policy 'magic'/, /fixed:4/],
    ['none?policy=fixed:9', 400, 'AUTOSCALE_BOUNDS', /fixed:9 is outside min=1 and max=4/, /^max=9$/],
    ['none?targetwait=5s', 400, 'PARAMETER', /no parameter 'targetwait'/, /did you mean targetWait\?/],
    ['none?max=1&max=2', 400, 'PARAMETER', /max is given twice/, /once/],
    ['', 400, 'QUEUE_NAME', /is not a queue name/, /./],
    ['a%0Ab', 400, 'QUEUE_NAME', /is not a queue name/, /./],
    ['knwon', 404, 'QUEUE_UNKNOWN', /no queue is called 'knwon'/, /did you mean known\?/],
  ])('answers %s with %i %s and a hint', async (path, status, code, message, hint) => {
    if (asked === undefined) await submit('known');
    asked ??= await exporter();
    const { status: got, json } = await asked.ask<Refusal>(path);
    expect([got, json.error.code]).toEqual([status, code]);
    expect(json.error.message).toMatch(message);
    expect(json.error.hint).toMatch(hint);
    expect(json).not.toHaveProperty('desiredWorkers');
  });
  it('requires the token', async () => {
    await submit('guarded');
    const served = await exporter([], { INFER_METRICS_TOKEN: 'sesame' });
    expect((await served.get('/autoscale/guarded')).status).toBe(401);
    expect((await served.get('/autoscale/guarded', { Authorization: 'Bearer other' })).status).toBe(401);
    expect((await served.get('/autoscale/guarded', { Authorization: 'Bearer sesame' })).status).toBe(200);
  });

  it('answers 503 without a number while Redis is unreachable, and the same number once it is back', async () => {
    await submit('outage');
    const served = await exporter();
    const path = 'outage?max=4&policy=fixed:3';
    expect((await served.ask(path)).json.desiredWorkers).toBe(3);
    await redis.kill();
    const away = await until(async () => {
      const answer = await served.ask<Refusal>(path);
      return answer.status === 200 ? undefined : answer;
    });
    expect(away).toMatchObject({
      status: 503,
      json: { queue: 'outage', held: 3, error: { code: 'REDIS_UNREACHABLE' } },
    });
    expect(away.json).not.toHaveProperty('desiredWorkers');
    expect(JSON.stringify(away.json)).not.toContain(PASSWORD);
    await redis.restart();
    await looker();
    const back = await until(async () => {
      const answer = await served.ask(path);
      return answer.status === 200 ? answer.json : undefined;
    });
    expect(back).toMatchObject({ desiredWorkers: 3, workers: { expected: 3 } });
  });
});
