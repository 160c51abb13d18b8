import { describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });

const submit = async (more: object): Promise<string> => {
  const json = { model: 'doubler', input: [1, 2, 3, 4], ...more };
  return (await gateway.ask('POST', '/v1/jobs', { json })).body.id;
};
const read = async (path: string) => (await gateway.ask('GET', `/v1/jobs/${path}`)).body;

describe('a job that has not started', () => {
  it('has its position, and the reason why it waits, wherever it is read', async () => {
    await submit({ queue: 'nobody', priority: 9 });
    await submit({ queue: 'nobody' });
    const id = await submit({ queue: 'nobody' });
    const reason = {
      code: 'NO_WORKER',
      text: 'no worker serves queue nobody now',
      fix: 'infer worker -Q nobody',
    };
    const told = { position: { jobsAhead: 2, rowsAheadEstimate: 2 }, eta: null, noEta: reason, why: reason };
    expect(await read(id)).toMatchObject({ id, state: 'waiting', ...told });
    expect(await read(`${id}/result`)).toMatchObject({ id, state: 'waiting', ...told });
    // The commands say the same.
    expect((await infer.ask(['result', id, '--json'])).json()).toMatchObject(told);
    expect((await infer.ask(['inspect', 'job', id, '--json'])).json()).toMatchObject(told);
  });

  it('that is delayed has no position', async () => {
    const id = await submit({ queue: 'nobody', delay: '1h' });
    expect(await read(id)).toMatchObject({ state: 'delayed', position: null, why: { code: 'DELAYED' } });
  });

  it('has none of it once it has ended', async () => {
    await infer.worker(['--models', models.dir, '-Q', 'served', '-m', 'doubler']);
    const id = await submit({ queue: 'served' });
    await gateway.ask('GET', `/v1/jobs/${id}/result?wait=20s`);
    const job = await read(id);
    expect(job.state).toBe('completed');
    expect(Object.keys(job)).not.toEqual(expect.arrayContaining(['why']));
    expect(job.position).toBeUndefined();
  });
});
