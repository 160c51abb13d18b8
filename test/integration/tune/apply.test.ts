import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { closeClient, connect } from '../../../src/lib/redis/connect.js';
import { masterNodes, type ServerNode, type SettingChange } from '../../../src/lib/redis/server-config.js';
import type { RedisClient, RedisNode } from '../../../src/lib/redis/types.js';
import { applyPlans } from '../../../src/lib/tune/apply.js';
import { SnapshotStore } from '../../../src/lib/tune/snapshot.js';
import { setUser } from '../../support/acl.js';
import { oldRedis } from '../../support/old-redis.js';
import { startRedis, type TestRedis } from '../../support/redis.js';

const servers: TestRedis[] = [];
const clients: RedisClient[] = [];
let nodes: ServerNode[] = [];
let dir = '';
let store: SnapshotStore;

const open = async (url: string, redis: TestRedis): Promise<RedisClient> => {
  const client = await connect({ url, label: url, source: 'flag' }, 'command', redis.settings());
  clients.push(client);
  return client;
};

beforeAll(async () => {
  for (let at = 0; at < 3; at++) servers.push(await startRedis({ port: true }));
  nodes = await Promise.all(
    servers.map(async (redis) => masterNodes(await open(redis.url, redis))[0] as ServerNode),
  );
});
afterAll(async () => {
  await Promise.all(clients.map((client) => closeClient(client)));
  await Promise.all(servers.map((redis) => redis.stop()));
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
  dir = mkdtempSync(path.join(tmpdir(), 'infer-tune-'));
  store = new SnapshotStore(dir);
  for (const { node } of nodes) await node.call('CONFIG', 'SET', 'timeout', '10', 'hz', '20');
});

const CHANGES: SettingChange[] = [
  { name: 'timeout', from: '10', to: '0' },
  { name: 'hz', from: '20', to: '10' },
];
const plans = (changes = CHANGES) => nodes.map((_, at) => ({ label: `n${at}`, changes }));
const options = { target: 'redis://test', now: Date.now() };
const values = () =>
  Promise.all(
    nodes.map(async ({ node }) => {
      const [, timeout] = (await node.call('CONFIG', 'GET', 'timeout')) as string[];
      const [, hz] = (await node.call('CONFIG', 'GET', 'hz')) as string[];
      return `${timeout} ${hz}`;
    }),
  );
const stateOf = (): string => {
  const found = store.latest(options.target);
  return found === undefined ? 'none open' : JSON.parse(readFileSync(found.file, 'utf8')).state;
};

it('redis-tune apply sets all servers and reads them back', async () => {
  const applied = await applyPlans(nodes, plans(), store, options);
  expect(await values()).toEqual(['0 10', '0 10', '0 10']);
  expect(applied.verified).toBe(true);
  expect(applied.nodes[2]?.changes).toEqual(CHANGES.map((change) => ({ ...change, now: change.to })));
  expect(stateOf()).toBe('applied');
});

it('redis-tune apply leaves every server unchanged when the last one refuses', async () => {
  const last = servers[2] as TestRedis;
  await setUser(last, 'reader', 'secret', ['-@all', '+ping', '+info', '+config|get']);
  const client = await open(last.url.replace('://', '://reader:secret@'), last);
  const refusing = [...nodes.slice(0, 2), { label: '', node: client as RedisNode }];
  await expect(applyPlans(refusing, plans(), store, options)).rejects.toMatchObject({
    code: 'TUNE_REFUSED',
    message: expect.stringMatching(/^n2 refuses it: NOPERM/),
  });
  expect(await values()).toEqual(['10 20', '10 20', '10 20']);
  expect(stateOf()).toBe('none open');
});

it('redis-tune apply leaves a server unchanged when one value is invalid', async () => {
  const bad: SettingChange[] = [CHANGES[0] as SettingChange, { name: 'hz', from: '20', to: 'fast' }];
  await expect(applyPlans(nodes, plans(bad), store, options)).rejects.toMatchObject({ code: 'TUNE_REFUSED' });
  expect(await values()).toEqual(['10 20', '10 20', '10 20']);
});

it('redis-tune apply sets nothing when a setting differs from the plan', async () => {
  await nodes[1]?.node.call('CONFIG', 'SET', 'timeout', '11');
  await expect(applyPlans(nodes, plans(), store, options)).rejects.toMatchObject({ code: 'TUNE_CHANGED' });
  expect(await values()).toEqual(['10 20', '11 20', '10 20']);
});

it('redis-tune apply undoes its changes when aborted, also on earlier servers', async () => {
  const controller = new AbortController();
  const old = await oldRedis((servers[1] as TestRedis).port as number);
  const client = await open(old.url, servers[1] as TestRedis);
  old.onSet = () => controller.abort(new Error('stop'));
  const mixed = [nodes[0], { label: '', node: client as RedisNode }, nodes[2]] as ServerNode[];
  const stopped = applyPlans(mixed, plans(), store, { ...options, signal: controller.signal });
  await expect(stopped).rejects.toThrow('stop');
  expect(old.sets).toEqual(['timeout', 'timeout']);
  expect(await values()).toEqual(['10 20', '10 20', '10 20']);
  expect(stateOf()).toBe('none open');
  await old.close();
});

it('redis-tune apply undoes settings in reverse order where they are set one by one', async () => {
  const old = await oldRedis((servers[0] as TestRedis).port as number);
  const client = await open(old.url, servers[0] as TestRedis);
  const stepwise = { label: '', node: client as RedisNode };
  const undone = ['timeout', 'hz', 'hz', 'timeout'];
  // The server itself stops in the middle.
  const controller = new AbortController();
  old.onSet = (name) => (name === 'hz' ? controller.abort(new Error('stop')) : undefined);
  const one = plans().slice(0, 1);
  const stopped = applyPlans([stepwise], one, store, { ...options, signal: controller.signal });
  await expect(stopped).rejects.toThrow('stop');
  expect(old.sets).toEqual(undone);
  // It was applied, and the next one is refused.
  old.sets.length = 0;
  old.onSet = () => undefined;
  const bad: SettingChange[] = [CHANGES[0] as SettingChange, { name: 'hz', from: '20', to: 'fast' }];
  const two = [plans()[0], { label: 'n1', changes: bad }] as ReturnType<typeof plans>;
  await expect(applyPlans([stepwise, nodes[1] as ServerNode], two, store, options)).rejects.toMatchObject({
    code: 'TUNE_REFUSED',
  });
  expect(old.sets).toEqual(undone);
  expect(await values()).toEqual(['10 20', '10 20', '10 20']);
  await old.close();
});

it('redis-tune apply reports when it can neither continue nor undo, and keeps the snapshot for rollback', async () => {
  const old = await oldRedis((servers[0] as TestRedis).port as number);
  const client = await open(old.url, servers[0] as TestRedis);
  old.onSet = (name) => (name === 'hz' ? old.close() : undefined);
  const cut = [{ label: '', node: client as RedisNode }];
  await expect(applyPlans(cut, plans().slice(0, 1), store, options)).rejects.toMatchObject({
    code: 'TUNE_HALF_DONE',
    exitCode: 3,
    message: expect.stringMatching(/not put back: hz, timeout$/),
  });
  expect(stateOf()).toBe('applying');
});
