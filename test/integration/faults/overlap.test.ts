import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listWorkers } from '../../../src/lib/queue/registry.js';
import { doubler, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { until, useFaults } from './fault-kit.js';

const redis = useRedis();
/** Notes that a row has begun, and ends when the test says so. */
const HANDLER = `
import { appendFileSync, existsSync } from 'node:fs';
export async function preprocess({ name, dir }) {
  appendFileSync(dir + '/begun', name + '\\n');
  while (!existsSync(dir + '/' + name)) await new Promise((resolve) => setTimeout(resolve, 5));
  return { x: [1, 2, 3, 4] };
}`;
const kit = useFaults(redis, ['gated'], (dir) => {
  const manifest = { handler: './handler.mjs', maxBatch: 1 };
  writeModel(dir, 'gated', doubler(), manifest, { files: { 'handler.mjs': HANDLER } });
});

/** Where the rows of a test and the test meet. */
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-overlap-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Names of the rows that have begun, in order. */
function begun(): string[] {
  const file = join(dir, 'begun');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

function finish(...names: string[]): void {
  for (const name of names) writeFileSync(join(dir, name), '');
}

const submit = (name: string, more: Parameters<typeof kit.client.submit>[1] = { model: 'gated' }) =>
  kit.client.submit({ name, dir }, { queue: 'realtime', ...more, model: 'gated' });

const hasBegun = (name: string) => until(async () => (begun().includes(name) ? true : undefined));

/** The worker holds one job that has not started: the runner has it, since it is a full run. */
const isHandedOver = () =>
  until(async () => {
    const [worker] = await listWorkers(kit.client.redis, 'faults');
    return worker?.notStarted?.realtime?.some((count) => count > 0) ? true : undefined;
  });

/** A worker in which `<prefix>1` runs and the runner has `<prefix>2`. */
async function overlapped(prefix: string, first: Parameters<typeof submit>[1] = { model: 'gated' }) {
  const worker = await kit.worker();
  // Before its first run, nothing is held ahead.
  finish(`${prefix}0`);
  await kit.client.wait((await submit(`${prefix}0`)).id);
  const one = await submit(`${prefix}1`, first);
  await hasBegun(`${prefix}1`);
  const two = await submit(`${prefix}2`);
  await isHandedOver();
  return { worker, one, two };
}

describe('a micro-batch that the runner has while another one runs', () => {
  it('comes after a more urgent job that arrives during that run', async () => {
    const { one, two } = await overlapped('a');
    const urgent = await submit('a3', { model: 'gated', priority: 9 });
    finish('a1', 'a2', 'a3');
    const ends = await Promise.all([one, two, urgent].map(({ id }) => kit.client.wait(id)));
    expect(begun().filter((name) => name.startsWith('a'))).toEqual(['a0', 'a1', 'a3', 'a2']);
    expect(ends.map(({ state, attempts }) => [state, attempts])).toEqual(ends.map(() => ['completed', 1]));
  });

  it('is the only one for which a more urgent job waits that arrives after it has begun', async () => {
    const { one, two } = await overlapped('b');
    finish('b1');
    await hasBegun('b2');
    const later = await submit('b3');
    const urgent = await submit('b4', { model: 'gated', priority: 9 });
    finish('b2', 'b3', 'b4');
    await Promise.all([one, two, later, urgent].map(({ id }) => kit.client.wait(id)));
    expect(begun().filter((name) => name.startsWith('b'))).toEqual(['b0', 'b1', 'b2', 'b4', 'b3']);
  });

  it('does not run once its job is cancelled, which ends at once and without an attempt', async () => {
    const { one, two } = await overlapped('c');
    await kit.client.cancel(two.id);
    const cancelled = await kit.client.wait(two.id);
    expect(cancelled).toMatchObject({ state: 'cancelled' });
    expect(cancelled.timing?.runMs ?? null).toBeNull();
    finish('c1', 'c2', 'c3');
    expect((await kit.client.wait((await submit('c3')).id)).state).toBe('completed');
    expect((await kit.client.wait(one.id)).state).toBe('completed');
    expect(begun().filter((name) => name.startsWith('c'))).toEqual(['c0', 'c1', 'c3']);
  });

  it('is not blamed when that run is killed at its time limit, and runs next', async () => {
    const { one, two } = await overlapped('d', { model: 'gated', timeLimitMs: 3000 });
    finish('d2');
    expect((await kit.client.wait(one.id)).error?.code).toBe('TIME_LIMIT');
    expect(await kit.client.wait(two.id)).toMatchObject({ state: 'completed', attempts: 1 });
    expect(begun().filter((name) => name.startsWith('d'))).toEqual(['d0', 'd1', 'd2']);
  });

  it('is handed back when the worker drains, and that run is finished', async () => {
    const { worker, one, two } = await overlapped('e');
    worker.drain(60_000);
    await until(async () => ((await kit.client.result(two.id)).state === 'waiting' ? true : undefined));
    finish('e1', 'e2');
    expect((await kit.client.wait(one.id)).state).toBe('completed');
    expect(begun().filter((name) => name.startsWith('e'))).toEqual(['e0', 'e1']);
    await kit.worker();
    expect((await kit.client.wait(two.id)).state).toBe('completed');
  });
});
