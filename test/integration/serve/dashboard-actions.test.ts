import { beforeAll, describe, expect, it } from 'vitest';
import { readAudit } from '../../../src/lib/queue/audit.js';
import { until, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useDashboard } from './dashboard-kit.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });
const dashboard = useDashboard(redis, { tokens: true, control: true });
const readOnly = useDashboard(redis, { tokens: true });

const submit = async (more: object): Promise<string> => {
  const json = { model: 'doubler', input: [1, 2, 3, 4], ...more };
  const answer = await gateway.ask('POST', '/v1/jobs', { json });
  expect(answer.status, answer.text).toBeLessThan(300);
  return answer.body.id;
};
/** A token may start 20 actions at once, and then one a second. */
const post = (address: string, json: unknown, as = 'operator') =>
  until(async () => {
    const answer = await dashboard.ask(address, { json, as });
    return answer.status === 429 ? undefined : answer;
  });
const previewOf = async (action: object) => {
  const { status, body } = await post('/api/actions/preview', action);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
/** Shows it, does it, and waits for its end. */
const act = async (action: object) => {
  const shown = await previewOf(action);
  const begun = await post('/api/actions', { action: shown.action, ticket: shown.ticket });
  expect(begun.status, JSON.stringify(begun.body)).toBeLessThan(300);
  const state = async () => (await dashboard.ask(`/api/actions/${begun.body.id}`, { as: 'operator' })).body;
  await expect.poll(async () => (await state()).state).not.toBe('running');
  return { shown, done: await state() };
};
const counts = async (queue: string) => {
  const { queues } = (await infer.run(['inspect', '--json'])).json() as {
    queues: { name: string; waiting: number; paused: boolean; cancelled: number }[];
  };
  return queues.find(({ name }) => name === queue);
};

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime', '--name', 'w1']);
});

describe('an action', () => {
  it('exists only with --allow-control, and only for a token with the scope control', async () => {
    await submit({ queue: 'closed' });
    const action = { action: 'pause', queue: 'closed' };
    const json = action;
    expect((await readOnly.ask('/api/actions/preview', { json, as: 'operator' })).status).toBe(405);
    expect(
      (await readOnly.ask('/api/actions', { json: { action, ticket: 'x' }, as: 'operator' })).status,
    ).toBe(405);
    expect((await post('/api/actions/preview', action, 'looker')).body.code).toBe('TOKEN_SCOPE');
    expect((await dashboard.ask('/api/actions/preview', { json })).status).toBe(401);
    const foreign = { origin: 'https://attacker.example' };
    const fromPage = await dashboard.ask('/api/actions/preview', { json, as: 'operator', headers: foreign });
    expect([fromPage.status, fromPage.body.code]).toEqual([403, 'HTTP_ORIGIN']);
    expect(await counts('closed')).toMatchObject({ paused: false });
  });

  it('is done only as it was shown: once, unchanged, by whom it was shown to', async () => {
    await submit({ queue: 'shown' });
    const action = { action: 'pause', queue: 'shown' };
    const { ticket, text, count } = await previewOf(action);
    expect(text).toContain('Pauses queue shown');
    expect(count).toBe(1);
    expect(await counts('shown')).toMatchObject({ paused: false });
    const refused = async (request: object) => (await post('/api/actions', request)).body.code;
    expect(await refused({ action: { action: 'pause', queue: 'other' }, ticket })).toBe('ACTION_CHANGED');
    expect(await refused({ action, ticket: 'invented' })).toBe('ACTION_CHANGED');
    expect((await post('/api/actions', { action, ticket })).body).toMatchObject({
      state: 'ok',
      who: 'operator',
    });
    expect(await counts('shown')).toMatchObject({ paused: true });
    expect(await refused({ action, ticket })).toBe('ACTION_CHANGED');
    const { done } = await act({ action: 'resume', queue: 'shown' });
    expect(done.result).toEqual(expect.any(String));
    expect(await counts('shown')).toMatchObject({ paused: false });
  });

  it('is audited with the name of the token', async () => {
    await submit({ queue: 'audited' });
    await act({ action: 'pause', queue: 'audited' });
    const entries = await readAudit(await redis.client(), 'infer', 50);
    expect(entries.find(({ target }) => target === 'audited')).toMatchObject({
      who: 'operator',
      channel: 'http',
      action: 'pause',
      outcome: 'ok',
      count: 1,
    });
  });

  it('purges what it showed and keeps what came later', async () => {
    for (let i = 0; i < 7; i++) await submit({ queue: 'purged' });
    const action = { action: 'purge', queue: 'purged', states: ['waiting', 'delayed'] };
    const shown = await previewOf(action);
    expect(shown).toMatchObject({ count: 7, destructive: true, typeToConfirm: 'purged' });
    expect(shown.text).toBe('Cancels 7 waiting jobs of queue purged.');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await submit({ queue: 'purged' });
    const { body } = await post('/api/actions', { action, ticket: shown.ticket });
    expect(body).toMatchObject({ state: 'ok', done: 7, total: 7 });
    expect(await counts('purged')).toMatchObject({ waiting: 1, cancelled: 7 });
    // There is nothing to type where nothing would be lost.
    const empty = await previewOf({ action: 'purge', queue: 'purged', states: ['delayed'] });
    expect(empty).toMatchObject({ count: 0, typeToConfirm: null });
    expect(empty.text).toBe('Queue purged has no delayed jobs.');
  });

  it('cancels by filter exactly as many as it showed', async () => {
    for (let priority = 0; priority < 6; priority++) await submit({ queue: 'filtered', priority });
    const action = { action: 'cancel', filter: { queue: 'filtered', priority: '0..3' } };
    const shown = await previewOf(action);
    expect(shown.count).toBe(4);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await submit({ queue: 'filtered', priority: 0 });
    const { body } = await post('/api/actions', { action, ticket: shown.ticket });
    expect(body).toMatchObject({ state: 'ok', done: 4 });
    expect(await counts('filtered')).toMatchObject({ waiting: 3, cancelled: 4 });
  });

  it('asks for the name of a queue that would lose all its jobs, and for "all queues"', async () => {
    for (const priority of [0, 9]) await submit({ queue: 'whole', priority });
    const word = async (filter: object) => (await previewOf({ action: 'cancel', filter })).typeToConfirm;
    expect(await word({ queue: 'whole' })).toBe('whole');
    expect(await word({ queue: 'whole', state: 'waiting', priority: '0..9' })).toBe('whole');
    expect(await word({})).toBe('all queues');
    expect(await word({ queue: 'whole', priority: '9' })).toBeNull();
    expect(await word({ queue: 'whole', model: 'doubler' })).toBeNull();
    // There is nothing to lose.
    expect(await word({ queue: 'whole', state: 'delayed' })).toBeNull();
  });

  it('is refused if it would change more than it showed by then', async () => {
    const moved = await submit({ queue: 'grown', priority: 9 });
    await submit({ queue: 'grown', priority: 1 });
    const action = { action: 'cancel', filter: { queue: 'grown', priority: '0..3' } };
    const { ticket, count } = await previewOf(action);
    expect(count).toBe(1);
    await act({ action: 'priority', id: moved, priority: 2 });
    const refused = await post('/api/actions', { action, ticket });
    expect([refused.status, refused.body.code]).toEqual([409, 'ACTION_CHANGED']);
    expect(refused.body.detail).toContain('it would now change 2, and 1 were shown');
    expect(await counts('grown')).toMatchObject({ waiting: 2, cancelled: 0 });
  });

  it('runs failed jobs again: those that it showed, or one of them', async () => {
    for (const id of ['f-1', 'f-2', 'f-3']) {
      const json = { model: 'poison', input: [9], queue: 'realtime', id };
      await gateway.ask('POST', '/v1/jobs', { json, headers: { prefer: 'wait=20' } });
    }
    const one = await act({ action: 'retry', id: 'f-1' });
    expect([one.shown.count, one.done.done]).toEqual([1, 1]);
    await expect
      .poll(async () => (await dashboard.ask('/api/jobs/f-1', { as: 'looker' })).body.job.state)
      .toBe('failed');
    const all = await act({ action: 'retry', filter: { queue: 'realtime', model: 'poison' } });
    expect([all.shown.count, all.done.done]).toEqual([3, 3]);
    expect(all.shown.text).toBe('Runs 3 failed jobs of queue realtime for model poison again.');
  });

  it('steers workers, and says which', async () => {
    const { shown, done } = await act({ action: 'concurrency', worker: 'w1', value: 2 });
    expect(shown).toMatchObject({ count: 1, destructive: false });
    expect(shown.text).toMatch(/^Sets concurrency 2 for worker w1/);
    expect(done.state).toBe('ok');
    const { workers } = (await infer.run(['inspect', '--json'])).json() as {
      workers: { concurrency: number }[];
    };
    await expect.poll(() => workers.map(({ concurrency }) => concurrency)).toEqual([2]);
    const refused = await post('/api/actions/preview', { action: 'drain', worker: 'nobody' });
    expect(refused.body.code).toBe('WORKER_UNKNOWN');
  });

  it.each([
    [{ action: 'obliterate', queue: 'x' }],
    [{ action: 'purge', queue: 'x', states: ['active'] }],
    [{ action: 'purge', queue: 'x', states: [] }],
    [{ action: 'priority', id: 'x', priority: 11 }],
    [{ action: 'pause', queue: 'x', extra: 1 }],
  ])('%j is refused', async (action) => {
    expect((await post('/api/actions/preview', action)).status).toBe(400);
  });

  it('is shown to all open pages', async () => {
    const snapshot = await dashboard.snapshot(({ actions }) => actions.length > 0, { as: 'looker' });
    expect(snapshot.actions[0]).toMatchObject({ who: 'operator', endedAt: expect.any(Number) });
  });
});
