import { expect, it } from 'vitest';
import type { OpenapiDocument } from '../../../src/lib/serve/openapi/document.js';
import { useInfer } from '../../support/cli.js';
import { openapiProblems } from '../../support/openapi.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

const redis = useRedis();
const models = useModels();
const infer = useInfer(redis);
const kit = useGateway(redis, { models });

const pathsOf = async (address = '/openapi.json') => {
  const { status, body } = await kit.ask('GET', address);
  expect(status).toBe(200);
  return (body as OpenapiDocument).paths;
};
const ownPaths = async () =>
  Object.keys(await pathsOf()).filter((path) => /^\/v2\/models\/[^{/]+\/infer$/.test(path));

it('has a path for each model while a worker serves it', async () => {
  expect(await ownPaths()).toEqual([]);
  const worker = await infer.worker(['--models', models.dir, '-Q', 'realtime']);
  const served = ['doubler', 'poison', 'slow'].map((name) => `/v2/models/${name}/infer`);
  await expect.poll(ownPaths).toEqual(served);
  expect(await openapiProblems({ ...(await kit.ask('GET', '/openapi.json')).body })).toEqual([]);
  expect(await pathsOf('/v1/schema')).toEqual(await pathsOf());
  const example = (await pathsOf())['/v2/models/doubler/infer']?.post?.requestBody?.content[
    'application/json'
  ] as { examples: { zeros: { value: unknown } } };
  const answer = await kit.ask('POST', '/v2/models/doubler/infer', { json: example.examples.zeros.value });
  expect(answer.status).toBe(200);
  await worker.stop();
  await expect.poll(ownPaths).toEqual([]);
});
