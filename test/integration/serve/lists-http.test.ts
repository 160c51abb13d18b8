import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, control: true });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const submit = async (more: object = {}): Promise<string> =>
  (await gateway.ask('POST', '/v1/jobs', { json: { ...json, ...more } })).body.id;
const cli = async (...words: string[]) => (await infer.run([...words, '--json'])).json();

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime', '--name', 'w1']);
  for (let priority = 0; priority < 5; priority++) await submit({ queue: 'listed', priority });
});

describe('GET /v1/jobs', () => {
  it('lists jobs page by page, with the fields of inspect jobs', async () => {
    const seen: number[] = [];
    let cursor = '';
    do {
      const page = await gateway.ask('GET', `/v1/jobs?queue=listed&limit=2${cursor}`);
      expect(page.status).toBe(200);
      seen.push(...page.body.items.map((job: { priority: number }) => job.priority));
      cursor = page.body.next === null ? '' : `&cursor=${page.body.next}`;
    } while (cursor !== '');
    expect(seen).toEqual([4, 3, 2, 1, 0]);
    const [first] = (await gateway.ask('GET', '/v1/jobs?queue=listed&limit=1')).body.items;
    const { jobs } = await cli('inspect', 'jobs', '-Q', 'listed', '-n', '1');
    expect(Object.keys(first).sort()).toEqual(
      [...Object.keys((jobs as object[])[0] as object), 'urls'].sort(),
    );
  });

  it('has the filters of inspect jobs', async () => {
    const priorities = async (query: string) =>
      (await gateway.ask('GET', `/v1/jobs?queue=listed&${query}`)).body.items.map(
        (job: { priority: number }) => job.priority,
      );
    expect(await priorities('priority=2..3')).toEqual([3, 2]);
    expect(await priorities('state=waiting,delayed&model=doubler')).toHaveLength(5);
    expect(await priorities('state=completed')).toEqual([]);
    expect(await priorities('olderThan=1h')).toEqual([]);
    expect(await priorities('sort=priority&reverse=true')).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([
    ['state=wating', 'FILTER'],
    ['priority=11', 'FILTER'],
    ['olderThan=soon', 'FILTER'],
    ['cursor=xyz', 'CURSOR'],
    ['limit=0', 'PARAMETER'],
    ['limit=100000', 'PARAMETER'],
    ['colour=red', 'PARAMETER'],
    ['sort=age&cursor=x', 'CURSOR'],
  ])('refuses %s', async (query, code) => {
    const refused = await gateway.ask('GET', `/v1/jobs?${query}`);
    expect([refused.status, refused.body.code]).toEqual([400, code]);
  });
});

describe('the deployment', () => {
  it('has the same content as inspect --json', async () => {
    const queues = await gateway.ask('GET', '/v1/queues?queue=listed');
    expect(queues.body.queues).toEqual([
      expect.objectContaining({ name: 'listed', waiting: 5, byPriority: [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] }),
    ]);
    const shown = (await cli('inspect', 'queues', '-Q', 'listed')) as { queues: object[] };
    expect(Object.keys(queues.body.queues[0])).toEqual(Object.keys(shown.queues[0] as object));
    const workers = await gateway.ask('GET', '/v1/workers?worker=w1');
    expect(workers.body.workers).toEqual([
      expect.objectContaining({ name: expect.stringContaining('w1'), queues: ['realtime'] }),
    ]);
    const stats = await gateway.ask('GET', '/v1/stats?by=model');
    const statsShown = (await cli('inspect', 'stats', '--by', 'model')) as { stats: object[] };
    expect(Object.keys(stats.body.stats[0])).toEqual(Object.keys(statsShown.stats[0] as object));
    expect((await gateway.ask('GET', '/v1/autoscaler')).body).toEqual({ autoscalers: [] });
  });

  it('answers 404 for an unknown queue or worker', async () => {
    const none = await gateway.ask('GET', '/v1/queues?queue=none');
    expect([none.status, none.body.code]).toEqual([404, 'QUEUE_UNKNOWN']);
    expect((await gateway.ask('GET', '/v1/workers?worker=none')).status).toBe(404);
  });
});

describe('control routes', () => {
  it('pauses and resumes a queue, with the name of the token in the audit log', async () => {
    const paused = await gateway.ask('POST', '/v1/queues/listed/pause', { as: 'operator' });
    expect([paused.status, paused.body]).toEqual([
      200,
      expect.objectContaining({ queue: 'listed', paused: true, changed: true }),
    ]);
    expect((await gateway.ask('POST', '/v1/queues/listed/pause', { as: 'operator' })).body.changed).toBe(
      false,
    );
    expect((await gateway.ask('POST', '/v1/queues/listed/resume', { as: 'operator' })).body.paused).toBe(
      false,
    );
    const { audit } = (await cli('inspect', 'audit')) as { audit: object[] };
    expect(audit).toContainEqual(
      expect.objectContaining({
        action: 'pause',
        target: 'listed',
        who: 'operator',
        channel: 'http',
        outcome: 'ok',
      }),
    );
    expect((await gateway.ask('POST', '/v1/queues/none/pause')).status).toBe(404);
  });

  it('purges a queue only if its name is repeated', async () => {
    for (let i = 0; i < 3; i++) await submit({ queue: 'rubbish' });
    const unsure = await gateway.ask('POST', '/v1/queues/rubbish/purge');
    expect([unsure.status, unsure.body.code]).toEqual([400, 'CONFIRM']);
    const other = await gateway.ask('POST', '/v1/queues/rubbish/purge?confirm=listed');
    expect([other.status, other.body.code]).toEqual([400, 'CONFIRM_NAME']);
    expect((await gateway.ask('POST', '/v1/queues/rubbish/purge?confirm=rubbish&state=active')).status).toBe(
      400,
    );
    const purged = await gateway.ask('POST', '/v1/queues/rubbish/purge?confirm=rubbish');
    expect([purged.status, purged.body]).toEqual([
      200,
      { queue: 'rubbish', jobs: { waiting: 3, delayed: 0 }, newer: 0 },
    ]);
  });

  it("sends orders to workers, and returns each worker's answer", async () => {
    const set = await gateway.ask('POST', '/v1/workers/w1/set', { json: { what: 'max-batch', value: 4 } });
    expect([set.status, set.body.workers]).toEqual([
      200,
      [expect.objectContaining({ state: 'ok', said: expect.any(String) })],
    ]);
    const refused = await gateway.ask('POST', '/v1/workers/w1/load', { json: { model: 'none' } });
    expect([refused.status, refused.body.workers[0].state]).toEqual([200, 'refused']);
    const unload = await gateway.ask('POST', '/v1/workers/w1/unload', { json: { model: 'slow' } });
    expect(unload.body.workers[0].state).toBe('ok');
    expect(
      (await gateway.ask('POST', '/v1/workers/w1/set', { json: { what: 'colour', value: 1 } })).status,
    ).toBe(400);
    expect(
      (await gateway.ask('POST', '/v1/workers/w1/set', { json: { what: 'max-batch', value: 'many' } }))
        .status,
    ).toBe(400);
    expect((await gateway.ask('POST', '/v1/workers/none/drain')).status).toBe(404);
  });

  it('needs the scope control, and --allow-control', async () => {
    const routes = [
      'queues/listed/pause',
      'queues/listed/resume',
      'queues/listed/purge',
      ...['drain', 'stop', 'set', 'load', 'unload'].map((verb) => `workers/w1/${verb}`),
    ];
    for (const route of routes) {
      const denied = await gateway.ask('POST', `/v1/${route}`, { as: 'auditor' });
      expect([route, denied.status, denied.body.code]).toEqual([route, 403, 'TOKEN_SCOPE']);
    }
    const without = await GatewayKit.open(redis, { modelsDir: models.dir });
    for (const route of routes) expect((await without.ask('POST', `/v1/${route}`)).status).toBe(404);
    await without.close();
  });

  it('drains and stops workers', async () => {
    const worker = await infer.worker(['--models', models.dir, '-Q', 'other', '--name', 'w2']);
    const drained = await gateway.ask('POST', '/v1/workers/w2/drain');
    expect(drained.body.workers[0].state).toBe('ok');
    expect(await worker.exited).toBe(0);
    const next = await infer.worker(['--models', models.dir, '-Q', 'other', '--name', 'w3']);
    expect((await gateway.ask('POST', '/v1/workers/w3/stop')).body.workers[0].state).toBe('ok');
    await next.exited;
    await until(async () =>
      (await gateway.ask('GET', '/v1/workers?queue=other')).body.workers?.length === 0 ? true : undefined,
    );
  });
});
