import { copyFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, useInfer } from '../support/cli.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

it('the health check of a container follows its worker, and does not blame it for a Redis that is away', async () => {
  // As in the image: beside bin/.
  copyFileSync(path.join(ROOT, 'deploy/docker/health.mjs'), path.join(infer.dir, 'health.mjs'));
  symlinkSync(path.join(ROOT, 'bin'), path.join(infer.dir, 'bin'));
  const health = async (what: string[], url = redis.url) => {
    const script = `process.argv.splice(1, 0, '-'); await import('file://${infer.dir}/health.mjs')`;
    const source = what.length === 0 ? script : `process.argv[1] = ${JSON.stringify(what[0])}; ${script}`;
    return (await infer.script(source, { redis: url })).exitCode;
  };
  expect(await health([])).toBe(1);
  const worker = await infer.worker(['-Q', 'realtime']);
  expect(await health([])).toBe(0);
  expect(await health(['ready'])).toBe(0);
  expect(await worker.stop()).toBe(0);
  expect(await health(['ready'])).toBe(1);
  expect(await health([], `redis://127.0.0.1:${await freePort()}`)).toBe(0);
});
