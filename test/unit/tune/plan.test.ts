import { describe, expect, it } from 'vitest';
import { parseInfo } from '../../../src/lib/redis/info.js';
import { aclFileLine, aclUser, setUserLine } from '../../../src/lib/tune/acl-user.js';
import { sameValue } from '../../../src/lib/tune/apply.js';
import { roomForJobs } from '../../../src/lib/tune/bytes-per-job.js';
import { kindOf } from '../../../src/lib/tune/keyspace.js';
import { type Asked, inSafeOrder, parseMaxmemory, planNode } from '../../../src/lib/tune/plan.js';
import { providerOf, recogniseService, SERVICES } from '../../../src/lib/tune/providers.js';
import { checkRollback, planRollback } from '../../../src/lib/tune/rollback.js';
import type { Finding } from '../../../src/lib/tune/rules.js';
import type { NodeFacts } from '../../../src/lib/tune/server-facts.js';

const MB = 1024 ** 2;
const node = (config: Record<string, string>, used = 100 * MB): NodeFacts => ({
  label: 'a',
  info: parseInfo(`role:master\r\nused_memory:${used}`),
  config: new Map(Object.entries(config)),
  refusal: undefined,
  memory: { bytes: 1000 * MB, source: 'host' },
  host: undefined,
  latency: undefined,
});
const asked = (more: Partial<Asked> = {}): Asked => ({
  role: 'broker',
  advice: false,
  force: false,
  ...more,
});

describe('maxmemory in redis.conf notation', () => {
  it.each([
    ['2gb', 2 * 1024 ** 3],
    ['2g', 2e9],
    ['1.5mb', 1.5 * MB],
    ['512k', 512_000],
    ['1048576', MB],
    ['64 MB', 64 * MB],
    ['100b', 100],
  ])('is parsed: %s', (text, bytes) => {
    expect(parseMaxmemory(text)).toEqual({ bytes });
  });
  it('may be a percentage', () => {
    expect(parseMaxmemory('70%')).toEqual({ share: 0.7 });
    for (const bad of ['0%', '101%', '-1gb', 'gb', '', '1e9', '2 gigs']) {
      expect(() => parseMaxmemory(bad)).toThrow(
        expect.objectContaining({ code: 'TUNE_MAXMEMORY', exitCode: 2 }),
      );
    }
  });
});

describe('a tuning plan', () => {
  const finding = (name: string, value: string, level: Finding['level']): Finding => ({
    setting: name,
    level,
    now: '',
    wanted: value,
    why: 'because',
    set: { name, value },
  });
  const found = [finding('timeout', '0', 'warning'), finding('hz', '10', 'advice')];

  it('contains problems, advice on request, and only the named settings', () => {
    const now = node({ timeout: '5', hz: '500' });
    const names = (more: Partial<Asked>) => planNode(now, found, asked(more)).changes.map(({ name }) => name);
    expect(names({})).toEqual(['timeout']);
    expect(names({ advice: true })).toEqual(['timeout', 'hz']);
    expect(names({ advice: true, only: ['hz'] })).toEqual(['hz']);
    expect(names({ maxmemory: { share: 0.5 } })).toEqual(['timeout', 'maxmemory']);
    expect(planNode(node({ timeout: '0' }), found, asked()).changes).toEqual([]);
  });

  it('warns about a limit that refuses work at once, or leaves too little free', () => {
    const warnings = (bytes: number) =>
      planNode(node({}), [], asked({ maxmemory: { bytes } })).warnings.join();
    expect(warnings(115 * MB)).toMatch(/new jobs will be refused at once/);
    expect(warnings(900 * MB)).toMatch(/more than 75 %/);
    expect(warnings(500 * MB)).toBe('');
  });

  it.each([
    [100 * MB, false],
    [105 * MB, false],
    [105 * MB, true],
    [1000 * MB, false],
    [0, false],
  ])('accepts or refuses a limit of %d with force %s', (bytes, force) => {
    const plan = () => planNode(node({}), [], asked({ maxmemory: { bytes }, force }));
    if (force) expect(plan().changes).toHaveLength(1);
    else expect(plan).toThrow(expect.objectContaining({ code: 'TUNE_MAXMEMORY' }));
  });

  it('disables eviction before lowering the limit, and enables it afterwards', () => {
    const change = (name: string, to: string) => ({ name, from: '', to });
    const order = (to: string) =>
      inSafeOrder([change('maxmemory', '1'), change('maxmemory-policy', to)]).map(({ name }) => name);
    expect(order('noeviction')[0]).toBe('maxmemory-policy');
    expect(order('allkeys-lru')[0]).toBe('maxmemory');
  });
});

describe('a tuning rollback', () => {
  const snapshot = {
    version: 1 as const,
    at: 0,
    target: 't',
    state: 'applied' as const,
    persisted: false,
    file: 'f',
    nodes: [{ label: 'a', changes: [{ name: 'timeout', from: '10', to: '0' }] }],
  };
  it('restores settings left unchanged, skips restored ones, and stops at any other value', () => {
    const plan = (timeout: string) => planRollback(snapshot, [node({ timeout })]);
    expect(plan('0').nodes[0]?.changes).toEqual([{ name: 'timeout', from: '0', to: '10' }]);
    expect(plan('10').nodes[0]?.changes).toEqual([]);
    expect(plan('7').conflicts).toHaveLength(1);
    expect(() => checkRollback(plan('7'), [])).toThrow(
      expect.objectContaining({ code: 'TUNE_CHANGED_SINCE' }),
    );
  });
  it('restores settings in the safe order, whatever the order of the change', () => {
    const changes = (policy: string, before: string) => [
      { name: 'maxmemory', from: '300000000', to: '0' },
      { name: 'maxmemory-policy', from: before, to: policy },
    ];
    const names = (policy: string, before: string) =>
      planRollback({ ...snapshot, nodes: [{ label: 'a', changes: changes(policy, before) }] }, [
        node({ maxmemory: '0', 'maxmemory-policy': policy }),
      ]).nodes[0]?.changes.map(({ name }) => name);
    expect(names('allkeys-lru', 'noeviction')).toEqual(['maxmemory-policy', 'maxmemory']);
    expect(names('noeviction', 'allkeys-lru')).toEqual(['maxmemory', 'maxmemory-policy']);
  });
  it('rejects a server that is no longer a master, and an old limit that memory exceeds', () => {
    expect(() => checkRollback(planRollback(snapshot, []), [])).toThrow(/a is no longer a master/);
    const limit = {
      ...snapshot,
      nodes: [{ label: 'a', changes: [{ name: 'maxmemory', from: '5', to: '9' }] }],
    };
    const now = node({ maxmemory: '9' });
    expect(() => checkRollback(planRollback(limit, [now]), [now])).toThrow(/below the 100 MB in use/);
  });
});

it('values are equal in any notation of Redis', () => {
  expect(sameValue('normal 0 0 0 slave 1 2 3 pubsub 4 5 6', 'replica 1 2 3 pubsub 4 5 6')).toBe(true);
  expect(sameValue('yes', 'YES')).toBe(true);
  expect(sameValue('100', '10')).toBe(false);
});

describe('managed services', () => {
  it.each([
    ['clustercfg.q.abc123.euw1.cache.amazonaws.com', 'elasticache'],
    ['q-abc123.serverless.euw1.cache.amazonaws.com', 'elasticache-serverless'],
    ['clustercfg.q.abc123.memorydb.eu-west-1.amazonaws.com', 'memorydb'],
    ['q.redis.cache.windows.net', 'azure-cache'],
    ['q.westeurope.redis.azure.net', 'azure-managed'],
    ['Eu1-wise-fox-1234.upstash.io', 'upstash'],
    ['redis-12345.c1.eu-west-1-1.ec2.redns.redis-cloud.com', 'redis-cloud'],
    ['redis-12345.c1.eu-west-1-1.ec2.cloud.redislabs.com', 'redis-cloud'],
    ['q-team.aivencloud.com', 'aiven'],
    ['db-redis-ams3-1.b.db.ondigitalocean.com', 'digitalocean'],
    ['red-abc.frankfurt-keyvalue.render.com', 'render'],
    ['cache.amazonaws.com.attacker.example', undefined],
    ['redis.internal', undefined],
  ])('are recognised by host: %s', (host, service) => {
    expect(recogniseService([host], new Map())).toBe(service);
  });

  it('have instructions to set the policy, or the reason why they cannot', () => {
    for (const service of SERVICES) {
      const { set, notes } = providerOf(service);
      const lines = set([{ name: 'maxmemory-policy', to: 'noeviction' }]).join('\n');
      if (lines === '') expect(notes.join()).not.toBe('');
      else expect(lines).toMatch(/noeviction|no_?eviction|No eviction|Eviction: off/i);
      expect(set([])).toEqual([]);
    }
    const azure = providerOf('azure-managed').set([{ name: 'maxmemory-policy', to: 'allkeys-lru' }]);
    expect(azure.join()).toContain('--eviction-policy AllKeysLRU');
  });
});

it('keys are classified by owner', () => {
  expect(kindOf('{infer:realtime}:res:j1', 'infer')).toBe('result');
  expect(kindOf('{infer:realtime}:realtime:j1', 'infer')).toBe('own');
  expect(kindOf('{infer}:workers', 'infer')).toBe('own');
  expect(kindOf('{infer-demo:realtime}:res:j1', 'infer')).toBe('other');
  expect(kindOf('bull:mail:1', 'infer')).toBe('other');
});

it('capacity is what fits below 80 % at the most expensive kind of job', () => {
  const cost = (kind: 'waiting' | 'completed', bytesPerJob: number) => ({
    kind,
    jobs: 1,
    sampled: 1,
    bytesPerJob,
    recordBytes: bytesPerJob,
    inputBytes: 0,
    resultBytes: 0,
    totalBytes: bytesPerJob,
  });
  const costs = {
    kinds: [cost('waiting', 1000), cost('completed', 2000)],
    events: { queues: 0, entries: 0, bytes: 0 },
  };
  expect(roomForJobs(400_000, 1_000_000, costs)).toEqual({ jobs: 200, bytesPerJob: 2000, basis: 'measured' });
  expect(roomForJobs(900_000, 1_000_000, costs).jobs).toBe(0);
  expect(roomForJobs(400_000, 0, costs).jobs).toBeNull();
  expect(roomForJobs(0, 1_000_000, undefined).basis).toBe('assumed');
});

it('an ACL user of Redis 6.2 on another database gets plain key rules and SELECT', () => {
  const spec = { role: 'inspector' as const, name: 'i', prefix: 'infer', password: undefined };
  const user = aclUser({ ...spec, db: 2, readOnlyKeys: false });
  expect(setUserLine(user)).toMatch(
    /^ACL SETUSER i reset on >CHANGE-ME resetchannels ~\{infer:\*\}:\* .* \+select$/,
  );
  expect(aclFileLine(user)).toMatch(/^user i on >CHANGE-ME /);
});
