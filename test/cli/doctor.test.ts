import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../src/lib/redis/probe.js';
import { setUser } from '../support/acl.js';
import { type Outcome, ROOT, useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true, args: ['--appendonly', 'yes', '--maxmemory', '1gb'] });
const infer = useInfer(redis);
const defaultPort = await ask({ host: '127.0.0.1', port: 6379 }, 'PING', 500);

interface DoctorJson {
  ok: boolean;
  ready: string[];
  notReady: { what: string[]; because: string }[];
  counts: Record<string, number>;
  checks: { id: string; topic: string; status: string; found: string; fix: string | null; ms: number }[];
  report?: string;
}

const find = (outcome: Outcome, id: string) =>
  outcome.json<DoctorJson>().checks.find((check) => check.id === id);

describe('infer doctor', () => {
  it('passes on a healthy deployment with a running worker', async () => {
    const worker = await infer.worker(['-Q', 'realtime']);
    const outcome = await infer.run(['doctor', '--json']);
    expect([outcome.exitCode, outcome.stderr]).toEqual([0, '']);
    const json = outcome.json<DoctorJson>();
    const amiss = json.checks.filter((check) => check.status === 'fail');
    expect(amiss).toEqual([]);
    expect(json.ok).toBe(true);
    expect(json.ready).toEqual(expect.arrayContaining(['submit', 'results', 'inspect', 'CPU workers']));
    expect(find(outcome, 'worker-beats')).toMatchObject({ status: 'ok' });
    expect(json.checks.every((check) => typeof check.ms === 'number' && check.found !== '')).toBe(true);
    await worker.stop();
  });

  it('prints one tab-separated row per check in a pipe, uncoloured, with the verdict on stderr', async () => {
    const { stdout, stderr, exitCode } = await infer.run(['doctor', 'redis', 'config']);
    expect(exitCode).toBe(0);
    const [head, ...rows] = stdout.replace(/\n$/, '').split('\n');
    expect(head).toBe('STATUS\tTOPIC\tCHECK\tMS\tFOUND\tFIX');
    expect(rows.every((row) => row.split('\t').length === 6)).toBe(true);
    expect(new Set(rows.map((row) => row.split('\t')[1]))).toEqual(new Set(['redis', 'config']));
    expect(stderr).toMatch(/^15 checks in .*: \d+ ok.*\nReady: submit, results, inspect\n$/);
    expect(stdout + stderr).not.toContain('\u001b');
  });

  it('--list shows all checks, or the named ones', async () => {
    const { checks } = (await infer.run(['doctor', '--json'])).json<DoctorJson>();
    const list = (await infer.run(['doctor', '--list', '--json'])).json<{ id: string }[]>();
    expect(list.map((check) => check.id)).toEqual(checks.map((check) => check.id));
    const { stdout } = await infer.run(['doctor', '--list', 'gpu', 'system-node']);
    expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
      'CHECK',
      'gpu-driver',
      'gpu-libraries',
      'gpu-provider',
      'gpu-run',
      'gpu-webgpu',
      'system-node',
      '',
    ]);
  });

  it.each([
    [['reddis'], /did you mean redis\?/],
    [['redis', 'redis-polcy'], /did you mean redis-policy\?/],
    [['zzzzzzzz'], /topics: redis, queues, workers/],
  ])('rejects the unknown check %j', async (words, fix) => {
    const message = /there is no topic or check/;
    await expectFailure(infer, ['doctor', ...words], { exitCode: 2, code: 'CHECK_UNKNOWN', message, fix });
  });

  it('exits 1 when a check fails, with its reason and fix', async () => {
    const url = `redis://localhost:${await freePort()}`;
    const outcome = await infer.run(['doctor', '--json'], {
      redis: url,
      env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
    });
    expect(outcome.exitCode).toBe(1);
    expect(find(outcome, 'redis-reach')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('inside a container, localhost is the container itself'),
    });
    const { notReady, ok } = outcome.json<DoctorJson>();
    expect(ok).toBe(false);
    expect(notReady[0]?.what).toEqual(['submit', 'results', 'inspect', 'CPU workers', 'GPU workers']);
  });

  // Another Redis on the default port would be used.
  it.skipIf(defaultPort.kind !== 'absent')('reports that no Redis is named and none is running', async () => {
    const options = { redis: null };
    const ready = await infer.run(['doctor', 'redis', '--json'], options);
    expect(ready.exitCode).toBe(0);
    expect(find(ready, 'redis-reach')).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^none runs yet; infer worker and infer submit start/),
      fix: expect.stringContaining('infer redis start'),
    });
    // And where no server is installed that could be started.
    const bare = await infer.run(['doctor', 'redis', '--json'], { ...options, env: { PATH: infer.dir } });
    expect(bare.exitCode).toBe(1);
    expect(find(bare, 'redis-reach')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('neither redis-server nor valkey-server is installed'),
    });
  });
});

describe('infer doctor on the machine', () => {
  const programs = (script: string): Record<string, string> => {
    const bin = join(infer.dir, `bin-${Math.random().toString(36).slice(2)}`);
    mkdirSync(bin);
    writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
    return { PATH: `${bin}:${process.env.PATH}` };
  };

  it('limits the time of a hanging nvidia-smi', async () => {
    const started = performance.now();
    const outcome = await infer.run(['doctor', 'gpu', 'config', '--json'], {
      env: programs('sleep 120 & wait'),
    });
    expect(performance.now() - started).toBeLessThan(60_000);
    expect(find(outcome, 'gpu-driver')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('hangs'),
    });
    expect(find(outcome, 'config-values')?.status).toBe('ok');
  });

  it('reports an old driver', async () => {
    const env = programs("echo '0, GPU-1, 11441, 441, 11000, 0, [N/A], 450.80.02, Tesla K80'");
    const { exitCode, stdout } = await infer.run(['doctor', '--gpu', '0', 'gpu-driver'], { env });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('driver 450.80.02 is too old: CUDA 12 needs 525');
  });

  it('reports a low limit of open files', () => {
    const { stdout } = spawnSync(
      '/bin/sh',
      [
        '-c',
        'ulimit -n 200; exec "$0" "$@"',
        process.execPath,
        join(ROOT, 'bin/run.js'),
        'doctor',
        'system-files',
      ],
      { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: infer.dir } },
    );
    expect(stdout).toMatch(/^warn\tsystem\tsystem-files\t\d+\ta process may open 200/m);
  });
});

describe('infer doctor on settings', () => {
  it('reports a misspelt variable', async () => {
    const outcome = await infer.run(['doctor', 'config', '--json'], {
      env: { INFER_REDIS_ULR: 'redis://x' },
    });
    expect(outcome.exitCode).toBe(0);
    expect(find(outcome, 'config-variables')).toMatchObject({
      status: 'warn',
      fix: 'rename INFER_REDIS_ULR to INFER_REDIS_URL',
    });
  });

  it('reports bad values and files as findings, where other commands stop at the first', async () => {
    const cwd = join(infer.dir, 'project');
    mkdirSync(cwd);
    writeFileSync(join(cwd, 'infer.config.json'), '{"prefx": "shop"}');
    const env = { INFER_CONCURRENCY: 'many' };
    const outcome = await infer.run(['doctor', '--json'], { cwd, env });
    expect(outcome.exitCode).toBe(1);
    const check = find(outcome, 'config-values') as
      | { found: string; fix: string; details: string[] }
      | undefined;
    expect(check?.found).toMatch(/no setting 'prefx' \(and 1 more\)$/);
    expect(check?.details).toEqual([expect.stringContaining("INFER_CONCURRENCY: the value 'many'")]);
    expect(check?.fix).toBe("did you mean 'prefix'?");
    // The other checks ran nevertheless.
    expect(find(outcome, 'redis-reach')?.status).toMatch(/ok|warn/);
    expect((await infer.run(['inspect'], { cwd, env })).exitCode).toBe(78);
  });

  it('treats a bad flag as a usage error', async () => {
    expect((await infer.run(['doctor', '--prefix', '***'])).exitCode).toBe(2);
  });
});

describe('--report', () => {
  const SECRET = 'c4n4ry/p4ss@word';
  const PAYLOAD = 0.123456789;
  beforeAll(async () => {
    await setUser(redis, 'carol', SECRET, ['~*', '+@all']);
  });

  it('contains versions, settings and findings, and no secret', async () => {
    const file = infer.file('row.json', JSON.stringify({ pixels: [PAYLOAD, ...Array(63).fill(0)] }));
    await infer.run(['submit', file, '-Q', 'unserved']);
    const password = infer.file('password', `${SECRET}\n`);
    const url = `redis://carol:${encodeURIComponent(SECRET)}@127.0.0.1:${redis.port}`;
    const environments = [
      { INFER_REDIS_URL: url },
      { INFER_REDIS_URL: `redis://carol@127.0.0.1:${redis.port}`, INFER_REDIS_PASSWORD_FILE: password },
      { INFER_REDIS_URL: `redis://carol@127.0.0.1:${redis.port}`, INFER_REDIS_PASSWORD: SECRET },
      { INFER_REDIS_URL: `redis://carol:${SECRET}x@127.0.0.1:${redis.port}`, INFER_RESULT_URL: url },
    ];
    for (const env of environments) {
      const text = await infer.run(['doctor', '--report'], { env });
      const json = await infer.run(['doctor', '--report', '--json'], { env });
      const all = text.stdout + text.stderr + json.stdout + json.stderr;
      for (const secret of [SECRET, encodeURIComponent(SECRET), 'c4n4ry', String(PAYLOAD), 'carol:']) {
        expect(all).not.toContain(secret);
      }
      expect(text.stdout).not.toContain(infer.dir);
      expect(json.json<DoctorJson>().report).toContain('| setting | value | from |');
    }
    const { stdout } = await infer.run(['doctor', '--report'], {
      env: environments[1] as Record<string, string>,
    });
    expect(stdout).toMatch(/^## infer doctor\n/);
    expect(stdout).toMatch(/\| infer \| \d+\.\d+\.\d+ \|/);
    expect(stdout).toContain(`| Node.js | ${process.versions.node} |`);
    expect(stdout).toMatch(/\| redisPasswordFile \| ~\/password \| INFER_REDIS_PASSWORD_FILE \|/);
    expect(stdout).toContain(`| redisUrl | redis://127.0.0.1:${redis.port} | INFER_REDIS_URL |`);
    expect(stdout).toMatch(/\| fail \| queue-served \| queue unserved: \d+ jobs? waits?/);
    expect(stdout).not.toContain('\u001b');
  });
});
