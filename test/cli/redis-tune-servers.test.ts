import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { setUser } from '../support/acl.js';
import { until, useInfer } from '../support/cli.js';
import { startCluster } from '../support/cluster.js';
import { digitLines, ONE_DIGIT } from '../support/digits.js';
import { startRedis, type TestRedis, useRedis } from '../support/redis.js';

interface Finding {
  setting: string;
  level: string;
  now: string;
}
interface Report {
  worst: string;
  provider: { service: string } | null;
  nodes: {
    label: string;
    refused: string | null;
    usedMemory: number;
    findings: Finding[];
    room: { jobs: number | null; bytesPerJob: number; basis: string };
    keyspace: { keys: number; results: { keys: number; bytes: number }; others: { keys: number } } | null;
  }[];
  jobs: {
    kinds: { kind: string; jobs: number; bytesPerJob: number; inputBytes: number; totalBytes: number }[];
    events: { entries: number; bytes: number };
  } | null;
}

const infer = useInfer();
const audit = async (url: string, args: string[] = []): Promise<Report> =>
  (await infer.run(['redis-tune', '--json', ...args], { redis: url })).json<Report>();
const findings = ({ nodes }: Report): Map<string, string> =>
  new Map(nodes[0]?.findings.map(({ setting, level }) => [setting, level]));
const config = async (redis: TestRedis, name: string): Promise<string | undefined> =>
  ((await (await redis.client()).call('CONFIG', 'GET', name)) as string[])[1];

describe('redis-tune where CONFIG is disabled', () => {
  const managed = useRedis({
    port: true,
    args: ['--rename-command', 'CONFIG', '', '--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru'],
  });

  it('audits with what INFO reports, and marks what it cannot see', async () => {
    const report = await audit(managed.url);
    expect(report.worst).toBe('critical');
    expect(report.nodes[0]?.refused).toMatch(/unknown command/i);
    expect(findings(report).get('maxmemory-policy')).toBe('critical');
    expect(findings(report).get('appendonly')).toBe('warning');
    expect(findings(report).get('appendfsync')).toBe('unknown');
    expect(findings(report).get('timeout')).toBe('unknown');
  });

  it("apply prints the lines for redis.conf or the provider's console", async () => {
    const own = await infer.run(['redis-tune', 'apply', '--yes'], { redis: managed.url });
    expect([own.exitCode, own.stdout]).toEqual([77, 'maxmemory-policy noeviction\nappendonly yes\n']);
    const args = ['redis-tune', 'apply', '--yes', '--service', 'memorystore', '--maxmemory', '50%'];
    const theirs = await infer.run(args, { redis: managed.url });
    expect(theirs.exitCode).toBe(77);
    expect(theirs.stdout).toMatch(
      /^gcloud redis instances update INSTANCE --region REGION --update-redis-config maxmemory-policy=noeviction,maxmemory-gb=\d+\.\d\n$/,
    );
    expect((await audit(managed.url, ['--service', 'heroku'])).provider?.service).toBe('heroku');
  });
});

describe('redis-tune as a user without CONFIG', () => {
  const redis = useRedis({ port: true, args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lfu'] });

  it('audits with what INFO reports, and apply names the missing permissions', async () => {
    await setUser(redis, 'looker', 'secret', ['~*', '-@all', '+ping', '+info', '+hkeys', '+zrange']);
    const url = redis.url.replace('://', '://looker:secret@');
    const report = await audit(url);
    expect([report.worst, report.jobs]).toEqual(['critical', { kinds: [], events: expect.anything() }]);
    expect(report.nodes[0]).toMatchObject({ refused: expect.stringMatching(/^NOPERM/), keyspace: null });
    const run = await infer.run(['redis-tune', 'apply', '--yes'], { redis: url });
    expect(run.exitCode).toBe(77);
    expect(run.stdout).toContain('ACL SETUSER <user> +config|get +config|set +config|rewrite\n');
    expect(run.stdout).toContain('CONFIG SET maxmemory-policy noeviction appendonly yes\n');
    expect(await config(redis, 'maxmemory-policy')).toBe('allkeys-lfu');
  });
});

describe('redis-tune audit of past events', () => {
  const redis = useRedis({
    port: true,
    args: ['--maxmemory', '3mb', '--maxmemory-policy', 'allkeys-lru', '--repl-diskless-sync-delay', '0'],
  });

  it('reports evicted keys as data loss until the counter is reset', async () => {
    const client = await redis.client();
    for (let at = 0; at < 600; at++) await client.set(`k${at}`, 'x'.repeat(10_000));
    const lost = await audit(redis.url);
    const found = lost.nodes[0]?.findings[0];
    expect(found).toMatchObject({ setting: 'evicted_keys', level: 'critical' });
    expect(Number(found?.now)).toBeGreaterThan(100);
    await client.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'appendonly', 'yes');
    await expect(client.set('one-more', 'x'.repeat(1_000_000))).rejects.toThrow(/^OOM/);
    const full = await audit(redis.url);
    expect(findings(full).get('errorstat_OOM')).toBe('warning');
    expect(findings(full).get('used_memory')).toBe('critical');
    await client.call('CONFIG', 'RESETSTAT');
    await client.flushall();
    expect((await audit(redis.url)).worst).toBe('ok');
  });

  it('reports a replica as such and does not change it', async () => {
    const replica = await startRedis({ port: true, args: ['--replicaof', '127.0.0.1', String(redis.port)] });
    try {
      const client = await replica.client();
      await until(async () => (await client.info('replication')).includes('link_status:up') || undefined);
      expect(findings(await audit(replica.url)).get('role')).toBe('warning');
      const run = await infer.run(['redis-tune', 'apply', '--yes'], { redis: replica.url });
      expect(run.exitCode).toBe(78);
      expect(run.stderr).toContain(`--redis redis://127.0.0.1:${redis.port}`);
      expect(findings(await audit(redis.url)).get('replicas')).toBe('advice');
      const forced = [
        'redis-tune',
        'apply',
        '--force',
        '--maxmemory',
        '50mb',
        '--only',
        'maxmemory',
        '--yes',
      ];
      expect((await infer.run(forced, { redis: replica.url })).exitCode).toBe(0);
      expect(await config(replica, 'maxmemory')).toBe(String(50 * 1024 ** 2));
    } finally {
      await replica.stop();
    }
  });
});

describe("redis-tune's cost per job", () => {
  const redis = useRedis({ port: true, args: ['--maxmemory', '200mb', '--appendonly', 'yes'] });

  it('matches the memory Redis uses for waiting and completed jobs, results and event streams', async () => {
    const client = await redis.client();
    const used = async (): Promise<number> =>
      Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
    // The first submit adds scripts and keys of the queue, which are not part of a job's cost.
    await infer.run(['submit', ONE_DIGIT, '-Q', 'kept'], { redis: redis.url });
    const before = await used();
    const empty = await audit(redis.url);
    const rows = infer.file('rows.ndjson', digitLines(8000));
    const submitted = await infer.run(['submit', rows, '-Q', 'kept', '--json'], { redis: redis.url });
    const { jobs } = submitted.json<{ jobs: number }>();
    const waiting = (await audit(redis.url)).jobs?.kinds.find(({ kind }) => kind === 'waiting');
    expect(waiting?.jobs).toBe(jobs + 1);
    expect(waiting?.inputBytes).toBeGreaterThan(0);
    const grown = (await used()) - before;
    const first = empty.jobs?.kinds[0]?.totalBytes ?? 0;
    // The rest is the group's own keys and the server's buffers.
    expect(((waiting?.totalBytes ?? 0) - first) / grown).toBeGreaterThan(0.8);
    expect(((waiting?.totalBytes ?? 0) - first) / grown).toBeLessThan(1.2);

    const worker = await infer.worker(['-Q', 'kept', '--burst'], { redis: redis.url });
    expect(await worker.exited).toBe(0);
    await client.set('somebody:else', '1');
    const report = await audit(redis.url);
    expect(report.jobs?.kinds.map(({ kind }) => kind)).toEqual(['completed']);
    expect(report.jobs?.kinds[0]).toMatchObject({ jobs: jobs + 1 });
    expect(report.jobs?.events.entries).toBe(await client.xlen('{infer:kept}:kept:events'));
    const keyspace = report.nodes[0]?.keyspace;
    const results = await client.keys('{infer:kept}:res:*');
    const sizes = await Promise.all(results.map((key) => client.memory('USAGE', key)));
    expect(keyspace?.results).toEqual({
      keys: results.length,
      bytes: sizes.reduce<number>((sum, one) => sum + Number(one), 0),
    });
    expect(keyspace).toMatchObject({ keys: await client.dbsize(), others: { keys: 1 } });
    const { room, usedMemory } = report.nodes[0] as Report['nodes'][0];
    expect(room.basis).toBe('measured');
    const free = 200 * 1024 ** 2 * 0.8 - usedMemory;
    expect(room.jobs).toBe(Math.floor(free / room.bytesPerJob));
  });
});

describe('redis-tune on a server with a configuration file', () => {
  it('keeps persisted settings over a restart, and rolled-back ones too', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'infer-conf-'));
    const file = path.join(dir, 'redis.conf');
    writeFileSync(file, '# mine\nmaxmemory 300mb\nmaxmemory-policy allkeys-lru\nappendonly no\n');
    // The file must be the first argument; later arguments override it.
    const redis = await startRedis({ port: true, configFile: file });
    try {
      const run = (words: string[]) => infer.run(['redis-tune', ...words, '--json'], { redis: redis.url });
      const applied = await run(['apply', '--maxmemory', '400mb', '--persist', '--yes']);
      expect([applied.exitCode, applied.json()]).toMatchObject([
        0,
        { persisted: [{ ok: true, text: `written to ${file}` }] },
      ]);
      expect(readFileSync(file, 'utf8')).toMatch(/^maxmemory 400mb$/m);
      // Until then the server refuses to stop.
      const client = await redis.client();
      await until(
        async () => /aof_rewrite_in_progress:0/.test(await client.info('persistence')) || undefined,
      );
      await redis.restart();
      expect(await config(redis, 'maxmemory')).toBe(String(400 * 1024 ** 2));
      expect((await audit(redis.url)).worst).toBe('ok');
      expect((await run(['rollback', '--yes'])).exitCode).toBe(0);
      await redis.restart();
      expect(await config(redis, 'maxmemory')).toBe(String(300 * 1024 ** 2));
      expect(await config(redis, 'maxmemory-policy')).toBe('allkeys-lru');
    } finally {
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

describe("redis-tune on infer's own server", () => {
  it('finds nothing wrong at its start, and persists settings for its next start', async () => {
    const env = { INFER_STATE_DIR: path.join(infer.dir, 'own') };
    // Another server may listen on this machine's default port, so the socket is named.
    const started = await infer.run(['redis', 'start', '--json'], { redis: null, env });
    const redis = `unix://${started.json<{ socket: string }>().socket}`;
    try {
      expect((await infer.run(['redis-tune'], { redis, env })).exitCode).toBe(0);
      const words = ['redis-tune', 'apply', '--maxmemory', '128mb', '--persist', '--yes', '--json'];
      const applied = await infer.run(words, { redis, env });
      expect(applied.exitCode, applied.stderr).toBe(0);
      expect(applied.json()).toMatchObject({ persisted: [{ ok: true }] });
      const limit = async (): Promise<number> => {
        await infer.run(['redis', 'stop'], { redis: null, env });
        await infer.run(['redis', 'start'], { redis: null, env });
        const status = await infer.run(['redis', 'status', '--json'], { redis: null, env });
        return status.json<{ maxMemory: number }>().maxMemory;
      };
      expect(await limit()).toBe(128 * 1024 ** 2);
      expect((await infer.run(['redis-tune', 'rollback', '--yes'], { redis, env })).exitCode).toBe(0);
      expect(await limit()).toBeGreaterThan(128 * 1024 ** 2);
    } finally {
      await infer.run(['redis', 'stop'], { redis: null, env });
    }
  });
});

describe('redis-tune on a Cluster', () => {
  it('audits, sets and rolls back every master', async () => {
    const cluster = await startCluster();
    try {
      const policies = () => Promise.all(cluster.nodes.map((node) => config(node, 'maxmemory-policy')));
      await infer.run(['submit', ONE_DIGIT], { redis: cluster.url });
      const report = await audit(cluster.url);
      expect(report.nodes.map(({ label }) => label).sort()).toEqual(
        cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).sort(),
      );
      expect(report.jobs?.kinds).toMatchObject([{ kind: 'waiting', jobs: 1 }]);
      const words = ['redis-tune', 'apply', '--maxmemory', '100mb', '--role', 'broker', '--yes', '--json'];
      for (const node of cluster.nodes) {
        await (await node.client()).call('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
      }
      const applied = await infer.run(words, { redis: cluster.url });
      expect(applied.exitCode, applied.stderr).toBe(0);
      expect(await policies()).toEqual(Array(3).fill('noeviction'));
      expect((await audit(cluster.url)).worst).toBe('ok');
      expect((await infer.run(['redis-tune', 'rollback', '--yes'], { redis: cluster.url })).exitCode).toBe(0);
      expect(await policies()).toEqual(Array(3).fill('volatile-ttl'));
    } finally {
      await cluster.stop();
    }
  });
});
