import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { GatewayKit, useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const json = { model: 'doubler', input: [1, 2, 3, 4] };
const submit = async (as: string | undefined, more: object = {}): Promise<string> => {
  const token = as === undefined ? {} : { as };
  const sent = await gateway.ask('POST', '/v1/jobs', { json: { ...json, ...more }, ...token });
  expect(sent.status).toBe(202);
  return sent.body.id;
};

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime']);
});

describe('a job belongs to the token that submitted it', () => {
  it('is visible to its owner, to read:all, and without tokens; for others it is unknown on every route', async () => {
    const id = await submit('alice');
    await gateway.ask('GET', `/v1/jobs/${id}/result?wait=20s`, { as: 'alice' });
    const routes: [string, string][] = [
      ['GET', `/v1/jobs/${id}`],
      ['GET', `/v1/jobs/${id}?wait=5s`],
      ['GET', `/v1/jobs/${id}/result`],
      ['GET', `/v1/jobs/${id}/events`],
      ['GET', `/result/${id}`],
      ['POST', `/v1/jobs/${id}/cancel`],
      ['PUT', `/v1/jobs/${id}/cancel`],
      ['POST', `/v1/jobs/${id}/retry`],
      ['DELETE', `/v1/jobs/${id}`],
    ];
    for (const [method, address] of routes) {
      const { status, text } = await gateway.ask(method, address, { as: 'bob' });
      expect([method, address, status]).toEqual([method, address, 404]);
      expect(text).not.toContain('alice');
    }
    expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'alice' })).body.owner).toBe('alice');
    expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'auditor' })).body.owner).toBe('alice');
    expect((await gateway.ask('GET', `/v1/jobs/${id}`)).status).toBe(200);
    const waited = await gateway.ask('POST', '/v1/jobs', { json, as: 'alice', headers: { prefer: 'wait' } });
    expect(waited.body.owner).toBe('alice');
  });

  it('a job that no token submitted belongs to no token', async () => {
    const id = await submit(undefined);
    expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'alice' })).status).toBe(404);
    expect((await gateway.ask('GET', `/v1/jobs/${id}`)).body).not.toHaveProperty('owner');
  });

  it('read:all sees it, and needs control to change it', async () => {
    const id = await submit('alice', { queue: 'nobody' });
    const denied = await gateway.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'auditor' });
    expect([denied.status, denied.body.code]).toEqual([403, 'TOKEN_SCOPE']);
    expect((await gateway.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'operator' })).status).toBe(200);
  });

  it('an id of another token is taken, without further details', async () => {
    await gateway.ask('PUT', '/v1/jobs/order-7', { json, as: 'alice' });
    for (const other of [json, { ...json, queue: 'batch' }]) {
      const taken = await gateway.ask('PUT', '/v1/jobs/order-7', { json: other, as: 'bob' });
      expect([taken.status, taken.body.code, taken.body.detail]).toEqual([
        409,
        'ID_TAKEN',
        'order-7 is taken',
      ]);
      expect(taken.text).not.toMatch(/alice|realtime/);
    }
    const run = await infer.run(['submit', '-', '--id', 'order-7', '-m', 'doubler'], {
      stdin: '[1,2,3,4]',
      env: { INFER_MODELS: models.dir },
    });
    expect([run.exitCode, run.stderr]).toEqual([2, expect.stringContaining('order-7 is taken')]);
    expect((await gateway.ask('PUT', '/v1/jobs/order-7', { json, as: 'alice' })).status).toBe(200);
  });

  it('of two tokens that send one id at once, one has it', async () => {
    const sent = await Promise.all(
      ['alice', 'bob', 'alice', 'bob'].map(async (as) => ({
        as,
        status: (await gateway.ask('PUT', '/v1/jobs/contested', { json, as })).status,
      })),
    );
    const { owner } = (await gateway.ask('GET', '/v1/jobs/contested')).body;
    for (const { as, status } of sent) expect([as, [200, 201].includes(status)]).toEqual([as, as === owner]);
  });

  it('groups have owners too, from their first row to their chunks', async () => {
    const body = '[1,2,3,4]\n[5,6,7,8]\n';
    const headers = { 'content-type': 'application/x-ndjson' };
    const put = (as: string) =>
      gateway.ask('PUT', '/v1/jobs/rows-1?model=doubler&queue=nobody', { as, body, headers });
    expect((await put('alice')).status).toBe(201);
    const taken = await put('bob');
    expect([taken.status, taken.body.detail]).toEqual([409, 'rows-1 is taken']);
    for (const id of ['rows-1', 'rows-1-0']) {
      expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'bob' })).status).toBe(404);
      expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'alice' })).body.owner).toBe('alice');
    }
    const client = await redis.client();
    expect(await client.hget('{infer:nobody}:grp:rows-1', 'owner')).toBe('alice');
  });

  it("lists show only the token's own jobs, page by page, and workers do not reveal others", async () => {
    const mine = [];
    for (let i = 0; i < 3; i++) mine.push(await submit('alice', { queue: 'listed', priority: i }));
    for (let i = 0; i < 3; i++) await submit('bob', { queue: 'listed', priority: i });
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await gateway.ask('GET', `/v1/jobs?queue=listed&limit=2${cursor}`, { as: 'alice' });
      expect(page.status).toBe(200);
      seen.push(...page.body.items.map((job: { id: string }) => job.id));
      cursor = page.body.next === null ? '' : `&cursor=${page.body.next}`;
    } while (cursor !== '');
    expect(seen.sort()).toEqual(mine.sort());
    const all = await gateway.ask('GET', '/v1/jobs?queue=listed', { as: 'auditor' });
    expect(all.body.items).toHaveLength(6);
    const sorted = await gateway.ask('GET', '/v1/jobs?queue=listed&sort=priority', { as: 'alice' });
    expect(sorted.body.items.map((job: { priority: number }) => job.priority)).toEqual([2, 1, 0]);
    const { workers } = (await gateway.ask('GET', '/v1/workers', { as: 'alice' })).body;
    expect(workers).toEqual([expect.objectContaining({ active: [] })]);
  });

  it('a cursor reveals no job, and is valid only for the token that received it, at any gateway', async () => {
    const ids = [];
    for (const as of ['alice', 'bob', 'alice']) ids.push(await submit(as, { queue: 'paged' }));
    const address = '/v1/jobs?queue=paged&limit=1';
    const pages = { alice: '', auditor: '' };
    for (const as of ['alice', 'auditor'] as const) {
      const { body } = await gateway.ask('GET', address, { as });
      expect(body.items).toHaveLength(1);
      pages[as] = body.next;
      const text = Buffer.from(body.next, 'base64url').toString('latin1') + body.next;
      for (const hidden of [...ids, 'paged', 'waiting']) expect(text).not.toContain(hidden);
    }
    const plain = { v: 1, s: 'waiting', q: 'paged', p: 'prioritized', r: false, at: null };
    const madeUp = Buffer.from(JSON.stringify(plain)).toString('base64url');
    const changed = Buffer.from(pages.alice, 'base64url');
    changed[20] = (changed[20] as number) ^ 1;
    for (const [as, cursor] of [
      ['bob', pages.alice],
      ['auditor', pages.alice],
      ['alice', pages.auditor],
      ['alice', madeUp],
      ['alice', changed.toString('base64url')],
      ['alice', pages.alice.slice(0, -4)],
      ['alice', 'x'],
      ['alice', ''],
    ] as const) {
      const refused = await gateway.ask('GET', `${address}&cursor=${cursor}`, { as });
      expect([as, cursor, refused.status, refused.body.code]).toEqual([as, cursor, 400, 'CURSOR']);
    }
    const other = await GatewayKit.open(redis, { modelsDir: models.dir });
    const rest = await other.ask('GET', `${address}&cursor=${pages.alice}`, { as: 'alice' });
    expect(rest.body.items.map((job: { id: string }) => job.id)).toEqual([ids[2]]);
    await other.close();
  });

  it('a full Redis still lists jobs, page by page', async () => {
    const ids = [await submit('alice', { queue: 'full' }), await submit('alice', { queue: 'full' })];
    const client = await redis.client();
    await client.del('{infer}:cursorkey');
    await client.config('SET', 'maxmemory', '1');
    try {
      const first = await gateway.ask('GET', '/v1/jobs?queue=full&limit=1', { as: 'alice' });
      expect(first.body.items.map((job: { id: string }) => job.id)).toEqual([ids[0]]);
      const address = `/v1/jobs?queue=full&limit=1&cursor=${first.body.next}`;
      const second = await gateway.ask('GET', address, { as: 'alice' });
      expect(second.body.items.map((job: { id: string }) => job.id)).toEqual([ids[1]]);
    } finally {
      await client.config('SET', 'maxmemory', '0');
    }
  });

  it('a retry, a move and another priority leave it its owner', async () => {
    const failed = await submit('alice', { model: 'poison', input: [7], retries: 0 });
    await gateway.ask('GET', `/v1/jobs/${failed}/result?wait=20s`, { as: 'alice' });
    expect((await gateway.ask('POST', `/v1/jobs/${failed}/retry`, { as: 'alice' })).status).toBe(202);
    expect((await gateway.ask('GET', `/v1/jobs/${failed}`, { as: 'alice' })).body.owner).toBe('alice');
    const id = await submit('alice', { queue: 'from' });
    await infer.run(['control', 'priority', id, '--priority', '9']);
    await infer.run(['control', 'move', id, '--to', 'to']);
    const moved = await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'alice' });
    expect(moved.body).toMatchObject({ owner: 'alice', priority: 9, queue: 'to' });
    expect((await gateway.ask('GET', `/v1/jobs/${id}`, { as: 'bob' })).status).toBe(404);
  });
});
