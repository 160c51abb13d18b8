import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, control: true });

/** A token for the model doubler only. */
const as = 'limited';
const names = (list: { id?: string; name?: string }[]) => list.map(({ id, name }) => id ?? name).sort();

beforeAll(async () => {
  await infer.worker(['--models', models.dir, '-Q', 'realtime,batch']);
});

describe('a token that is limited to models', () => {
  it('sees only these in each list', async () => {
    const all = await gateway.ask('GET', '/v1/models', { as: 'alice' });
    expect(names(all.body.data)).toEqual(['doubler', 'poison', 'slow']);
    expect(names((await gateway.ask('GET', '/v1/models', { as })).body.data)).toEqual(['doubler']);
    const index = await gateway.ask('POST', '/v2/repository/index', { as, json: {} });
    expect(names(index.body)).toEqual(['doubler']);
    const statistics = await gateway.ask('GET', '/v2/models/stats', { as });
    expect(names(statistics.body.model_stats)).toEqual(['doubler']);
  });

  it.each([
    ['GET', '/v1/models/MODEL'],
    ['GET', '/v2/models/MODEL'],
    ['GET', '/v2/models/MODEL/versions/1'],
    ['GET', '/v2/models/MODEL/ready'],
    ['GET', '/v2/models/MODEL/config'],
    ['GET', '/v2/models/MODEL/stats'],
    ['GET', '/examples/MODEL'],
    ['POST', '/v2/repository/models/MODEL/load'],
    ['POST', '/v2/repository/models/MODEL/unload'],
  ])('gets the same response for another as for one that does not exist: %s %s', async (method, address) => {
    const ask = async (model: string) => {
      const json = method === 'POST' ? { json: {} } : {};
      const answer = await gateway.ask(method, address.replace('MODEL', model), { as, ...json });
      return { status: answer.status, text: answer.text.replaceAll(model, 'MODEL') };
    };
    const hidden = await ask('slow');
    expect(hidden).toEqual(await ask('nosuch'));
    expect(hidden.status).toBe(404);
    expect(hidden.text).not.toContain('poison');
    if (method === 'GET') expect((await ask('doubler')).status).toBe(200);
  });

  it('cannot make workers load or unload another', async () => {
    for (const verb of ['load', 'unload']) {
      const ordered = await gateway.ask('POST', `/v1/workers/*/${verb}`, { as, json: { model: 'slow' } });
      expect(ordered).toMatchObject({ status: 404, body: { code: 'MODEL_UNKNOWN' } });
    }
  });

  it('may not submit for another, whether it exists or not', async () => {
    for (const model of ['slow', 'nosuch']) {
      const json = { model, input: [1, 2, 3, 4] };
      const refused = await gateway.ask('POST', '/v1/jobs', { as, json });
      expect(refused).toMatchObject({ status: 403, body: { code: 'TOKEN_MODEL' } });
      const inference = await gateway.ask('POST', `/v2/models/${model}/infer`, { as, json: { inputs: [] } });
      expect(inference.status).toBe(403);
    }
  });

  it('need not name its only model, but has to name one of several', async () => {
    const input = [1, 2, 3, 4];
    const wait = { headers: { prefer: 'wait=20' } };
    const done = await gateway.ask('POST', '/v1/jobs', { as, json: { input }, ...wait });
    expect(done.body).toMatchObject({ model: 'doubler', result: { y: [3, 5, 7, 9] } });
    const rows = { body: '[1,2,3,4]\n', headers: { 'content-type': 'application/x-ndjson' } };
    expect((await gateway.ask('POST', '/v1/jobs', { as, ...rows })).body.model).toBe('doubler');
    expect((await gateway.ask('POST', '/predict', { as, json: input })).status).toBe(200);
    const { status, body } = await gateway.ask('POST', '/v1/jobs', { as: 'two', json: { input } });
    expect([status, body.code]).toEqual([400, 'MODEL_NEEDED']);
    expect(body.detail).toBe('token two may use several models: doubler, planned');
  });

  it('does not reveal others if one of its own does not exist', async () => {
    const json = { model: 'planned', input: [1] };
    const asked = [
      await gateway.ask('POST', '/v1/jobs', { as: 'two', json }),
      await gateway.ask('GET', '/v2/models/planned', { as: 'two' }),
      await gateway.ask('GET', '/examples/planned', { as: 'two' }),
      await gateway.ask('POST', '/v1/embeddings', { as: 'two', json: { model: 'planned', input: 'a' } }),
      await gateway.ask('POST', '/v2/models/planned/infer', { as: 'two', json: { inputs: [] } }),
    ];
    for (const { status, text } of asked) {
      expect(status).toBe(404);
      expect(text).not.toMatch(/slow|poison/);
    }
  });
});
