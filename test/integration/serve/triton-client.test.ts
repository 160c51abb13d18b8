import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, useInfer } from '../../support/cli.js';
import { useRedis } from '../../support/redis.js';
import { useGateway, useModels } from './gateway-kit.js';

/** A Python that has `tritonclient[http]`; docs/development.md says how to install it. */
const PYTHON = process.env.TEST_PYTHON ?? 'python3';
const hasClient = spawnSync(PYTHON, ['-c', 'import tritonclient.http.aio']).status === 0;

const redis = useRedis();
const infer = useInfer(redis);
const models = useModels();
const gateway = useGateway(redis, { models });
const run = promisify(execFile);

describe.skipIf(!hasClient)("Triton's own client", () => {
  beforeAll(async () => {
    await infer.worker(['--models', models.dir]);
  });

  it('passes every check of test/clients/triton.py', async () => {
    const script = path.join(ROOT, 'test/clients/triton.py');
    const { stdout } = await run(PYTHON, [script, new URL(gateway.url).host, 'doubler'], { timeout: 90_000 });
    const rows = [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ];
    expect(JSON.parse(stdout)).toEqual(rows.map((row) => row.map((value) => value / 8 + 1)));
  });
});
