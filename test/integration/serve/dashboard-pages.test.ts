import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useDashboard } from './dashboard-kit.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, control: true });
const dashboard = useDashboard(redis);

const submit = async (json: object, headers = {}): Promise<string> => {
  const answer = await gateway.ask('POST', '/v1/jobs', { json, headers });
  expect(answer.status, answer.text).toBeLessThan(300);
  return answer.body.id;
};
const SECRET = 0.123456789;
const waiting = { model: 'doubler', input: [1, 2, 3, SECRET], queue: 'idle' };

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime', '--name', 'w1']);
  for (let priority = 0; priority < 5; priority++)
    await submit({ ...waiting, priority, id: `wait-${priority}` });
  await submit(
    { model: 'doubler', input: [1, 2, 3, 4], queue: 'realtime', id: 'done' },
    { prefer: 'wait=20' },
  );
  for (const id of ['bad-1', 'bad-2']) {
    // The first row asks for an element that the model does not have, so its run fails.
    await gateway.ask('POST', '/v1/jobs', {
      json: { model: 'poison', input: [9], queue: 'realtime', id },
      headers: { prefer: 'wait=20' },
    });
  }
});

describe('jobs', () => {
  it('are listed page by page, each once, with a total and never with a payload', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { status, body } = await dashboard.ask(`/api/jobs?queue=idle&limit=2${cursor}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ total: 5, exact: true });
      expect(JSON.stringify(body)).not.toContain(String(SECRET));
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.next === null ? '' : `&cursor=${body.next}`;
    } while (cursor !== '');
    expect(seen).toEqual(['wait-4', 'wait-3', 'wait-2', 'wait-1', 'wait-0']);
  });

  it('are found by id, state, model, worker, error and age', async () => {
    const ids = async (query: string) =>
      (await dashboard.ask(`/api/jobs?${query}`)).body.items.map(({ id }: { id: string }) => id).sort();
    expect(await ids('id=wait-3')).toEqual(['wait-3']);
    expect(await ids('state=completed&model=doubler')).toEqual(['done']);
    expect(await ids('state=failed&worker=w1')).toEqual(['bad-1', 'bad-2']);
    const [failed] = (await dashboard.ask('/api/jobs?state=failed')).body.items;
    expect(await ids(`state=failed&error=${failed.error.code}`)).toEqual(['bad-1', 'bad-2']);
    expect(await ids('queue=idle&olderThan=1h')).toEqual([]);
    expect(await ids('queue=idle&priority=2..3')).toEqual(['wait-2', 'wait-3']);
  });

  it.each([
    ['/api/jobs?id=nowhere', 404, 'JOB_UNKNOWN'],
    ['/api/jobs?state=wating', 400, 'FILTER'],
    ['/api/jobs?limit=100000', 400, 'PARAMETER'],
    ['/api/jobs?colour=red', 400, 'PARAMETER'],
    ['/api/jobs?cursor=xyz', 400, 'CURSOR'],
    ['/api/jobs/nowhere', 404, 'JOB_UNKNOWN'],
    ['/api/model?name=nothing', 404, 'MODEL_UNKNOWN'],
    ['/api/jobs/done/input', 410, 'INPUT_GONE'],
  ])('%s is refused', async (address, status, code) => {
    const answer = await dashboard.ask(address);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });
});

describe('a job', () => {
  it('has its timeline and says why it waits, without its payload', async () => {
    const { body } = await dashboard.ask('/api/jobs/wait-4');
    expect(body.job).toMatchObject({ id: 'wait-4', state: 'waiting', input: { bytes: expect.any(Number) } });
    expect(body.place.why).toMatchObject({ code: 'NO_WORKER', fix: expect.stringContaining('infer worker') });
    expect(body.timeline.map(({ event }: { event: string }) => event)).toEqual(['submitted']);
    expect(body.can).toEqual({ cancel: false, rerun: false, priority: false });
    expect(JSON.stringify(body)).not.toContain(String(SECRET));
    const ended = (await dashboard.ask('/api/jobs/done')).body;
    expect(ended.place).toBeNull();
    expect(ended.timeline.map(({ event }: { event: string }) => event)).toEqual([
      'submitted',
      'started',
      'completed',
    ]);
  });

  it('shows its input and its result only to a request of their own, and the first values of each', async () => {
    const input = (await dashboard.ask('/api/jobs/wait-4/input')).body;
    expect(input.tooLarge).toBe(false);
    expect(input.tensors[0]).toMatchObject({ shape: [1, 4], cut: false });
    expect(input.tensors[0].values[3]).toBeCloseTo(SECRET, 6);
    const result = (await dashboard.ask('/api/jobs/done/result')).body;
    expect(result.tensors[0].values).toEqual([3, 5, 7, 9]);
  });
});

describe('the other pages', () => {
  it('group failures by error, with the first and the last, what the code means and what helps', async () => {
    const { body } = await dashboard.ask('/api/failures');
    expect(body).toMatchObject({ looked: 2, total: 2 });
    expect(body.groups).toHaveLength(1);
    const [group] = body.groups;
    expect(group).toMatchObject({ jobs: 2, queues: ['realtime'], models: ['poison'] });
    expect(group.firstAt).toBeLessThanOrEqual(group.lastAt);
    expect(group.meaning).toEqual(expect.any(String));
    expect(group.filter).toEqual({ error: group.code, queue: 'realtime' });
    expect((await dashboard.ask('/api/failures?queue=idle')).body.groups).toEqual([]);
  });

  it('show the signature of a model, and its workers', async () => {
    const { body } = await dashboard.ask('/api/model?name=doubler');
    expect(body).toMatchObject({
      name: 'doubler',
      task: 'tensor',
      inputs: [{ shape: [4] }],
      workers: [{ worker: expect.stringContaining('w1') }],
    });
  });

  it('show what redis-tune finds, once for all', async () => {
    const [one, two] = await Promise.all([dashboard.ask('/api/redis'), dashboard.ask('/api/redis')]);
    expect(one.body).toMatchObject({ cluster: false, nodes: [{ findings: expect.any(Array) }] });
    expect(one.body.nodes[0].findings.length).toBeGreaterThan(3);
    expect(two.body.at).toBe(one.body.at);
  });

  it('show the audit log, by person and action', async () => {
    await gateway.ask('POST', '/v1/queues/idle/pause', { as: 'operator' });
    await gateway.ask('POST', '/v1/queues/idle/resume', { as: 'operator' });
    const { body } = await dashboard.ask('/api/audit?action=pause');
    expect(body.entries).toMatchObject([
      { who: 'operator', action: 'pause', target: 'idle', channel: 'http' },
    ]);
    expect(body.actions).toEqual(expect.arrayContaining(['pause', 'resume']));
    expect(body.people).toContain('operator');
    expect((await dashboard.ask('/api/audit?who=nobody')).body.entries).toEqual([]);
  });

  it('show the history of the deployment and its events', async () => {
    const history = (await dashboard.ask('/api/history?kind=queue&name=realtime&range=1h')).body;
    expect(history).toMatchObject({
      kind: 'queue',
      name: 'realtime',
      range: '1h',
      points: expect.any(Array),
    });
    expect((await dashboard.ask('/api/history?range=1y')).status).toBe(400);
    const started = async () =>
      (await dashboard.ask('/api/events?kinds=worker-started')).body.events.map(
        ({ kind }: { kind: string }) => kind,
      );
    await expect.poll(started).toEqual(['worker-started']);
  });
});
