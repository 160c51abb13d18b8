import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { startRedis, type TestRedis } from '../../support/redis.js';

const infer = useInfer();
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'infer-sock-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.each([
  ['my redis.sock', 'my redis.sock', 'my%20redis.sock'],
  ['50% off.sock', '50% off.sock', '50%25 off.sock'],
  ['a%20b.sock', 'a%20b.sock', 'a%2520b.sock'],
  ['why?.sock', 'why%3F.sock', 'why%3F.sock'],
  ['p@th:1.sock', 'p@th:1.sock', 'p@th:1.sock'],
])('a socket called %s', (name, typed, encoded) => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ port: true, args: ['--unixsocket', path.join(dir, name)] });
  });
  afterAll(() => redis.stop());

  it('can be reached by its plain and its encoded path, and is shown in a form that can be typed', async () => {
    for (const text of [typed, encoded]) {
      const address = `unix://${dir}/${text}`;
      const run = await infer.run(['inspect', 'queues', '--json', '--redis', address], { redis: null });
      expect([address, run.exitCode, run.stderr]).toEqual([address, 0, '']);
    }
    await redis.kill();
    const gone = await infer.run(['inspect'], { redis: `unix://${dir}/${typed}` });
    expect(gone.exitCode).toBe(69);
    const shown = /unix:\/\/.*\.sock/.exec(gone.stderr)?.[0] ?? '';
    expect(decodeURIComponent(shown)).toBe(`unix://${dir}/${name}`);
  });
});

it("infer's own Redis starts in a directory with spaces and %, and prints a usable address", async () => {
  const stateDir = path.join(dir, 'my state 5%20');
  mkdirSync(stateDir);
  const env = { INFER_STATE_DIR: stateDir };
  const started = await infer.run(['redis', 'start'], { redis: null, env });
  try {
    expect(started.exitCode, started.stderr).toBe(0);
    const run = await infer.run(['inspect', 'queues', '--json'], { redis: started.stdout.trim(), env });
    expect(run.exitCode, run.stderr + run.stdout).toBe(0);
    const own = await infer.run(['inspect', 'queues', '--json'], { redis: null, env });
    expect(own.exitCode, own.stderr + own.stdout).toBe(0);
  } finally {
    await infer.run(['redis', 'stop', '--json'], { redis: null, env });
  }
});

it('a path that is too long is reported as such', async () => {
  const long = `unix://${dir}/${'x'.repeat(120)}.sock`;
  const run = await infer.run(['inspect'], { redis: long });
  expect([run.exitCode, run.stderr]).toEqual([78, expect.stringMatching(/can have 10\d at most/)]);
});
