import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAudit } from '../../src/lib/queue/audit.js';
import { type Outcome, useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { type OldRedis, oldRedis } from '../support/old-redis.js';
import { useRedis } from '../support/redis.js';

interface Finding {
  setting: string;
  level: string;
  now: string;
  set?: { name: string; value: string };
}
interface Report {
  worst: string;
  unfinished: string | null;
  nodes: { label: string; refused: string | null; findings: Finding[]; room: { jobs: number | null } }[];
}
interface Change {
  applied: boolean;
  verified: boolean;
  snapshot: string | null;
  instead: string[];
  persisted: { ok: boolean; text: string; instead: string[] }[] | null;
  nodes: { changes: { name: string; from: string; to: string; now: string }[] }[];
}

/** Everything an audit calls wrong, and a harmless setting. */
const WRONG = { maxmemory: '209715200', 'maxmemory-policy': 'allkeys-lru', appendonly: 'no', timeout: '10' };
const RIGHT = { maxmemory: '209715200', 'maxmemory-policy': 'noeviction', appendonly: 'yes', timeout: '0' };

const redis = useRedis({ port: true });
const infer = useInfer(redis);

async function settings(): Promise<Record<string, string>> {
  const client = await redis.client();
  const pairs = await Promise.all(
    Object.keys(WRONG).map((name) => client.call('CONFIG', 'GET', name) as Promise<string[]>),
  );
  return Object.fromEntries(pairs.map(([name, value]) => [name, value]));
}

async function set(values: Record<string, string>): Promise<void> {
  const client = await redis.client();
  await client.call('CONFIG', 'SET', ...Object.entries(values).flat());
}

let state = '';
let runs = 0;
beforeEach(async () => {
  await set(WRONG);
  // A separate state directory each, so that no test can roll back another's changes.
  state = path.join(infer.dir, `state-${runs++}`);
});
const tune = (args: readonly string[] = [], more: Record<string, string> = {}): Promise<Outcome> =>
  infer.run(['redis-tune', ...args], { env: { INFER_STATE_DIR: state, ...more } });
const report = async (): Promise<Report> => (await tune(['--json'])).json<Report>();
const snapshots = (): string[] => {
  try {
    return readdirSync(path.join(state, 'redis-tune'));
  } catch {
    return [];
  }
};

describe('a misconfigured Redis', () => {
  it('is reported, fixed, and rolled back by another process', async () => {
    const before = await tune(['--json']);
    expect(before.exitCode).toBe(1);
    const levels = new Map(
      before.json<Report>().nodes[0]?.findings.map(({ setting, level }) => [setting, level]),
    );
    expect(levels.get('maxmemory-policy')).toBe('critical');
    expect(levels.get('appendonly')).toBe('warning');
    expect(levels.get('timeout')).toBe('warning');
    expect(levels.get('maxmemory')).toBe('ok');
    expect([await settings(), snapshots()]).toEqual([WRONG, []]);

    const applied = await tune(['apply', '--yes', '--json']);
    expect([applied.exitCode, applied.stderr]).toEqual([0, '']);
    expect(await settings()).toEqual(RIGHT);
    const { nodes, ...rest } = applied.json<Change>();
    expect(rest).toMatchObject({ applied: true, verified: true, persisted: null, instead: [] });
    for (const change of nodes[0]?.changes ?? []) expect(change.now).toBe(change.to);
    expect(nodes[0]?.changes).toHaveLength(3);
    expect((await tune()).exitCode).toBe(0);

    const back = await tune(['rollback', '--yes']);
    expect(back.exitCode).toBe(0);
    expect(back.stdout).toContain('maxmemory-policy\tnoeviction\tallkeys-lru\n');
    expect(await settings()).toEqual(WRONG);
    expect((await tune()).exitCode).toBe(1);
    expect((await tune(['rollback', '--yes'])).exitCode).toBe(66);
  });

  it('is not changed by --dry-run, or without --yes in a pipe', async () => {
    const dry = await tune(['apply', '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toBe(
      'SETTING\tNOW\tNEW\nmaxmemory-policy\tallkeys-lru\tnoeviction\nappendonly\tno\tyes\ntimeout\t10\t0\n',
    );
    const asked = await tune(['apply']);
    expect([asked.exitCode, asked.stdout]).toEqual([2, '']);
    expect(asked.stderr).toMatch(/^Try: add --yes/m);
    expect([await settings(), snapshots()]).toEqual([WRONG, []]);
  });

  it('is fixed with a snapshot only this user can read and an audit log entry', async () => {
    const client = await redis.client();
    await client.del('{infer}:audit');
    const { snapshot } = (await tune(['apply', '--yes', '--json', '--as', 'ada'])).json<Change>();
    expect(statSync(snapshot as string).mode & 0o777).toBe(0o600);
    const [entry, ...none] = await readAudit(client, 'infer', 10);
    expect(none).toEqual([]);
    expect(entry).toMatchObject({
      who: 'ada',
      channel: 'cli',
      action: 'redis-tune apply',
      count: 3,
      ok: true,
    });
    expect(entry?.detail).toContain('maxmemory-policy allkeys-lru -> noeviction');
    await client.del('{infer}:audit');
  });

  it('gets the memory limit and the settings that are named', async () => {
    const some = ['apply', '--maxmemory', '1gb', '--only', 'maxmemory', '--yes', '--json'];
    expect((await tune(some)).json<Change>().nodes[0]?.changes).toMatchObject([
      { name: 'maxmemory', to: String(1024 ** 3), now: String(1024 ** 3) },
    ]);
    const share = (await tune(['apply', '--maxmemory', '10%', '--yes', '--json'])).json<Change>();
    const limit = Number(share.nodes[0]?.changes.find(({ name }) => name === 'maxmemory')?.now);
    const total = Number(/total_system_memory:(\d+)/.exec(await (await redis.client()).info('memory'))?.[1]);
    expect(limit).toBeGreaterThan(0);
    expect(limit).toBeLessThanOrEqual(total / 10);
  });
});

describe('harmful settings', () => {
  const refused = (args: string[], code: string, message: RegExp, fix: RegExp, exitCode = 2) =>
    expectFailure(infer, ['redis-tune', 'apply', '--yes', ...args], { exitCode, code, message, fix });
  afterEach(async () => {
    expect(await settings()).toEqual(WRONG);
  });

  it('are refused: eviction on a broker, citing the measurement', () =>
    refused(
      ['--policy', 'allkeys-lru'],
      'TUNE_POLICY',
      /2,711 of 5,000 accepted jobs ran with empty input/,
      /--role results/,
    ));
  it('are refused: a limit below the memory in use, even with --force', () =>
    refused(
      ['--maxmemory', '500kb', '--force'],
      'TUNE_MAXMEMORY',
      /less than .* holds now/,
      /or let the queues run empty/,
    ));
  it("are refused: a limit above the machine's memory", () =>
    refused(['--maxmemory', '900tb'], 'TUNE_MAXMEMORY', /the kernel would kill Redis first/, /60%/));
  it('are refused: no limit', () =>
    refused(['--maxmemory', '0'], 'TUNE_MAXMEMORY', /no limit at all/, /--maxmemory 2gb/));
  it('are refused: a malformed size', () =>
    refused(['--maxmemory', 'lots'], 'TUNE_MAXMEMORY', /'lots'/, /2gb/));
  it('are refused: treating a Redis with queues as results-only', async () => {
    const client = await redis.client();
    await client.hset('{infer}:queues', 'realtime', '{}');
    await refused(['--role', 'results'], 'TUNE_ROLE', /holds queues \(realtime\)/, /--role results/, 78);
    await client.del('{infer}:queues');
  });
});

describe('settings that are available on request', () => {
  it('include eviction on a broker with --force, with a warning', async () => {
    await set({ 'maxmemory-policy': 'noeviction' });
    const run = await tune([
      'apply',
      '--policy',
      'volatile-lru',
      '--only',
      'maxmemory-policy',
      '--force',
      '--yes',
    ]);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(/^Warning: volatile-lru drops accepted jobs/m);
    expect((await settings())['maxmemory-policy']).toBe('volatile-lru');
  });

  it('include volatile-ttl (default) and allkeys-lru for results, without a warning', async () => {
    await set({ 'maxmemory-policy': 'noeviction' });
    const env = { INFER_RESULT_URL: redis.url, INFER_REDIS_URL: 'redis://127.0.0.1:1' };
    const role = ['--role', 'results'];
    const audit = await tune([...role, '--json'], env);
    expect([audit.exitCode, audit.json<Report>().worst]).toEqual([0, 'warning']);
    expect((await tune(['apply', ...role, '--only', 'maxmemory-policy', '--yes'], env)).exitCode).toBe(0);
    expect((await settings())['maxmemory-policy']).toBe('volatile-ttl');
    const other = [...role, '--policy', 'allkeys-lru', '--only', 'maxmemory-policy', '--yes'];
    expect((await tune(['apply', ...other], env)).exitCode).toBe(0);
    expect((await settings())['maxmemory-policy']).toBe('allkeys-lru');
    await set({ timeout: '0' });
    expect((await tune(role, env)).exitCode).toBe(0);
  });

  it('are persisted where there is a configuration file; otherwise the start-up lines are printed', async () => {
    const run = await tune(['apply', '--only', 'maxmemory-policy', '--persist', '--yes', '--json']);
    expect(run.exitCode).toBe(3);
    const [persisted] = run.json<Change>().persisted ?? [];
    expect(persisted).toMatchObject({ ok: false });
    expect(persisted?.instead.join('\n')).toContain('redis-server --maxmemory-policy noeviction');
    expect((await settings())['maxmemory-policy']).toBe('noeviction');
    expect(run.stderr).toMatch(/writes everything that was changed at runtime.*ACL users/);
  });
});

describe('redis-tune rollback', () => {
  it('refuses settings that were changed since, unless forced', async () => {
    await tune(['apply', '--yes']);
    await set({ timeout: '300' });
    const refusal = await tune(['rollback', '--yes']);
    expect(refusal.exitCode).toBe(1);
    expect(refusal.stderr).toMatch(/timeout of .* was set to 0 then and is 300 now: someone has changed it/);
    expect(await settings()).toEqual({ ...RIGHT, timeout: '300' });
    expect((await tune(['rollback', '--yes', '--force'])).exitCode).toBe(0);
    expect(await settings()).toEqual(WRONG);
  });

  it('shows the changes, asks for consent, and accepts a snapshot file', async () => {
    const { snapshot } = (await tune(['apply', '--yes', '--json'])).json<Change>();
    const dry = await tune(['rollback', '--dry-run']);
    expect(dry.stdout).toContain('timeout\t0\t10\n');
    expect((await tune(['rollback'])).exitCode).toBe(2);
    expect(await settings()).toEqual(RIGHT);
    const elsewhere = { INFER_STATE_DIR: path.join(infer.dir, 'elsewhere') };
    expect((await tune(['rollback', '--yes'], elsewhere)).exitCode).toBe(66);
    expect((await tune(['rollback', infer.file('no.json', '{}'), '--yes'])).exitCode).toBe(66);
    expect((await tune(['rollback', snapshot as string, '--yes'], elsewhere)).exitCode).toBe(0);
    expect(await settings()).toEqual(WRONG);
  });

  it('undoes one change after the other', async () => {
    await tune(['apply', '--only', 'timeout', '--yes']);
    await tune(['apply', '--only', 'maxmemory-policy', '--yes']);
    await tune(['rollback', '--yes']);
    expect(await settings()).toEqual({ ...WRONG, timeout: '0' });
    await tune(['rollback', '--yes']);
    expect(await settings()).toEqual(WRONG);
  });
});

describe('a server that sets one setting at a time (before 7.0)', () => {
  let old: OldRedis;
  beforeEach(async () => {
    old = await oldRedis(redis.port as number);
    return () => old.close();
  });
  const apply = () => ({
    args: ['redis-tune', 'apply', '--yes'],
    options: { redis: old.url, env: { INFER_STATE_DIR: state } },
  });

  it('is set one by one, with eviction disabled first', async () => {
    const { args, options } = apply();
    expect((await infer.run(args, options)).exitCode).toBe(0);
    expect(old.sets[0]).toBe('maxmemory-policy');
    expect(await settings()).toEqual(RIGHT);
    expect((await infer.run(['redis-tune', 'rollback', '--yes'], options)).exitCode).toBe(0);
    expect(old.sets.at(-1)).toBe('maxmemory-policy');
    expect(await settings()).toEqual(WRONG);
  });

  it('has all settings or none after a signal in the middle', async () => {
    const { args, options } = apply();
    const child = infer.start(args, options);
    old.onSet = (name) => {
      if (name === 'appendonly') child.kill('SIGTERM');
    };
    expect((await child).exitCode).toBe(143);
    // If the signal came just too late, everything is set and can be rolled back as usual.
    const left = await settings();
    expect([WRONG, RIGHT]).toContainEqual(left);
    expect((await report()).unfinished).toBeNull();
    const back = await infer.run(['redis-tune', 'rollback', '--yes'], options);
    expect(back.exitCode).toBe(left.appendonly === 'no' ? 66 : 0);
    expect(await settings()).toEqual(WRONG);
  });

  it('is restored by rollback after the command was killed in the middle', async () => {
    const { args, options } = apply();
    const child = infer.start(args, options);
    old.onSet = (name) => {
      if (name !== 'appendonly') return;
      child.kill('SIGKILL');
      return new Promise<void>(() => undefined);
    };
    await child;
    expect(await settings()).toEqual({ ...WRONG, 'maxmemory-policy': 'noeviction' });
    const audit = await infer.run(['redis-tune', '--json'], options);
    const { unfinished } = audit.json<Report>();
    expect(JSON.parse(readFileSync(unfinished as string, 'utf8')).state).toBe('applying');
    old.onSet = () => undefined;
    expect((await infer.run(['redis-tune', 'rollback', '--yes'], options)).exitCode).toBe(0);
    expect(await settings()).toEqual(WRONG);
  });
});
