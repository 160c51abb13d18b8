import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../../support/cli.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models, control: true });

const get = async (address: string) => (await gateway.ask('GET', address)).body;
const run = async (address: string) => {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }];
  return (await gateway.ask('POST', `${address}/infer`, { json: { inputs } })).body;
};

beforeAll(async () => {
  writeModel(models.dir, 'three', doubler(3));
  writeModel(models.dir, 'three', doubler(3), undefined, { version: 2 });
  await infer.worker(['--models', models.dir, '--name', 'old']);
  await infer.worker(['--models', models.dir, '--name', 'new']);
  const json = { parameters: { workers: 'old' } };
  const loaded = await gateway.ask('POST', '/v2/repository/models/three@1/load', { json });
  expect(loaded.status).toBe(200);
});

describe('two versions of a model on two workers', () => {
  it('are both known at once after a load through this gateway', async () => {
    expect((await get('/v2/models/three')).versions).toEqual(['1', '2']);
  });

  it('have their own metadata and configuration, each with its own workers', async () => {
    expect((await get('/v2/models/three/versions/1')).versions).toEqual(['1']);
    const config = await get('/v2/models/three/versions/2/config');
    expect(config.version_policy).toEqual({ specific: { versions: [2] } });
    expect(config.instance_group.map(({ name }: { name: string }) => name)).toEqual(['new']);
  });

  it('an answer names the version that ran', async () => {
    for (const version of ['1', '2'])
      expect((await run(`/v2/models/three/versions/${version}`)).model_version).toBe(version);
    // Without a version either may have run it; the answer and the worker agree.
    expect((await run('/v2/models/three')).model_version).toMatch(/^[12]$/);
  });

  it('a job names the version that ran it, before that the requested one', async () => {
    const json = { model: 'three@2', input: [1, 2, 3] };
    const headers = { prefer: 'wait=20' };
    const ended = (await gateway.ask('POST', '/v1/jobs', { json, headers })).body;
    expect(ended).toMatchObject({ model: 'three', version: 2, state: 'completed', worker: 'new' });
    expect((await get(ended.urls.self)).version).toBe(2);
    // Without a version, the worker tells which it was.
    const any = (await gateway.ask('POST', '/v1/jobs', { json: { ...json, model: 'three' }, headers })).body;
    const of = { old: 1, new: 2 }[any.worker as 'old' | 'new'];
    expect([any.version, (await get(any.urls.self)).version]).toEqual([of, of]);
    const queued = (await gateway.ask('POST', '/v1/jobs', { json: { ...json, queue: 'nobody' } })).body;
    expect([queued.version, (await get(queued.urls.self)).version]).toEqual([2, 2]);
    const events = await gateway.ask('GET', `${ended.urls.self}/events`);
    expect(events.text).toContain('"version":2');
    const unnamed = { model: 'three', input: [1, 2, 3], queue: 'nobody' };
    expect((await gateway.ask('POST', '/v1/jobs', { json: unnamed })).body).not.toHaveProperty('version');
  });

  it('have their own statistics, found by name and version', async () => {
    for (let i = 0; i < 3; i++) await run('/v2/models/three/versions/1');
    const counts = await until(async () => {
      const found: Record<string, number> = {};
      for (const version of ['1', '2']) {
        const { model_stats: stats } = await get(`/v2/models/three/versions/${version}/stats`);
        expect(stats).toHaveLength(1);
        expect(stats[0]).toMatchObject({ name: 'three', version });
        found[version] = stats[0].inference_count as number;
      }
      return (found['1'] ?? 0) >= 4 && (found['2'] ?? 0) >= 1 ? found : undefined;
    });
    expect(Object.keys(counts)).toEqual(['1', '2']);
    for (const address of ['/v2/models/three/stats', '/v2/models/stats']) {
      const { model_stats: stats } = await get(address);
      const versions = stats.filter(({ name }: { name: string }) => name === 'three');
      expect(versions.map(({ version }: { version: string }) => version)).toEqual(['1', '2']);
    }
  });
});

describe('probes', () => {
  it('read Redis once for all who ask at the same time', async () => {
    const client = await redis.client();
    const reads = async () =>
      Number(/cmdstat_zrange:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]);
    for (const address of ['/v2/health/ready', '/v2/models/three/ready', '/v1/models']) {
      const before = await reads();
      const answers = await Promise.all(Array.from({ length: 100 }, () => gateway.ask('GET', address)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      // Not one for each; the workers read some of their own.
      expect((await reads()) - before).toBeLessThan(50);
    }
  });
});
