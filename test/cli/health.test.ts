import { spawnSync } from 'node:child_process';
import { copyFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, useInfer } from '../support/cli.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);

it('the container health check follows its worker, and does not fail it for an unreachable Redis', async () => {
  // As in the image: next to bin/.
  copyFileSync(path.join(ROOT, 'deploy/docker/health.mjs'), path.join(infer.dir, 'health.mjs'));
  symlinkSync(path.join(ROOT, 'bin'), path.join(infer.dir, 'bin'));
  const health = (what: string[], url = redis.url) =>
    spawnSync(process.execPath, [path.join(infer.dir, 'health.mjs'), ...what], {
      env: { PATH: process.env.PATH, HOME: infer.dir, INFER_REDIS_URL: url },
    }).status;
  expect(health([])).toBe(1);
  const worker = await infer.worker(['-Q', 'realtime']);
  expect(health([])).toBe(0);
  expect(health(['ready'])).toBe(0);
  expect(await worker.stop()).toBe(0);
  expect(health(['ready'])).toBe(1);
  expect(health([], `redis://127.0.0.1:${await freePort()}`)).toBe(0);
});
