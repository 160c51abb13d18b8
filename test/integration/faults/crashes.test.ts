import { describe, expect, it } from 'vitest';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { keepLog } from '../../support/log-lines.js';
import { doubler, poison, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { useFaults } from './fault-kit.js';

/** Exits its own process, as a crash in native code would, for rows that ask for it. */
const HANDLER = `
export function preprocess(row) {
  if (row.do === 'exit') process.exit(3);
  if (row.do === 'segfault') process.kill(process.pid, 'SIGSEGV');
  if (row.do === 'throw') throw new Error('no such word');
  return { x: [row.n, row.n, row.n, row.n] };
}`;

/** Corrupts something that every later row needs, as a library's global state may be. */
const BREAKABLE = `
export function preprocess(row) {
  if (globalThis.spoilt) throw new Error('spoilt');
  if (row.do === 'poison') globalThis.spoilt = true;
  if (row.do === 'prototype') Array.prototype.map = () => { throw new Error('spoilt'); };
  return { x: [row.n, row.n, row.n, row.n] };
}`;

const redis = useRedis();
const kit = useFaults(redis, ['poison', 'fragile', 'breakable'], (dir) => {
  writeModel(dir, 'poison', poison());
  writeModel(dir, 'fragile', doubler(), { handler: './handler.mjs' }, { files: { 'handler.mjs': HANDLER } });
  writeModel(
    dir,
    'breakable',
    doubler(),
    { handler: './handler.mjs' },
    { files: { 'handler.mjs': BREAKABLE } },
  );
});
const fragile = { model: 'fragile', retryDelayMs: 50, retries: 1 };

async function group(model: string, values: unknown[], chunk: number) {
  const signature = await kit.client.signatures.find(model);
  async function* chunks() {
    for (let i = 0; i < values.length; i += chunk)
      yield payloadFromValue(values.slice(i, i + chunk), signature);
  }
  return kit.client.submitMany(chunks(), signature);
}

describe('a job that crashes its runner', () => {
  it('fails alone after its attempts with the exit code; other jobs and the worker are unaffected', async () => {
    const jobs = [];
    for (let i = 0; i < 8; i++) {
      jobs.push(await kit.client.submit(i === 5 ? { do: 'exit' } : { n: i }, fragile));
    }
    await kit.worker();
    const results = await Promise.all(jobs.map((job) => kit.client.wait(job.id, { timeoutMs: 30_000 })));
    expect(results.map((result) => result.state)).toEqual(
      jobs.map((_, i) => (i === 5 ? 'failed' : 'completed')),
    );
    expect(results[5]?.error).toMatchObject({ code: 'RUNNER_DIED' });
    expect(results[5]?.error?.message).toContain('exit code 3');
    expect(results[5]?.attempts).toBe(2);
    expect((await kit.client.run({ n: 1 }, fragile)).state).toBe('completed');
  });

  it('names the signal of a segmentation fault', async () => {
    await kit.worker();
    const result = await kit.client.run({ do: 'segfault' }, { ...fragile, retries: 0 });
    expect(result.error?.message).toContain('SIGSEGV');
  });

  it('is not retried when a handler threw the error', async () => {
    await kit.worker();
    const result = await kit.client.run({ do: 'throw' }, fragile);
    expect(result).toMatchObject({ state: 'failed', attempts: 1, error: { code: 'HANDLER_FAILED' } });
    expect(result.error?.message).toContain('no such word');
  });
});

describe('a runner that a handler has corrupted', () => {
  const breaking = { model: 'breakable', retries: 0 };

  it('is replaced after five different jobs have failed in it, logged once, and the next job succeeds', async () => {
    const lines = keepLog();
    await kit.worker({}, {}, lines.log);
    expect((await kit.client.run({ n: 1, do: 'poison' }, breaking)).state).toBe('completed');
    for (let i = 0; i < 5; i++) {
      const broken = await kit.client.run({ n: i }, breaking);
      expect(broken).toMatchObject({ state: 'failed', error: { code: 'HANDLER_FAILED' } });
    }
    expect((await kit.client.run({ n: 1 }, breaking)).state).toBe('completed');
    expect(lines.troubles.filter((line) => JSON.stringify(line).includes('RUNNER_BROKEN'))).toHaveLength(1);
  });

  it('is replaced when a language built-in was corrupted', async () => {
    await kit.worker();
    // This one fails as well: returning its answer needs the same method.
    expect((await kit.client.run({ n: 1, do: 'prototype' }, breaking)).state).toBe('failed');
    for (let i = 0; i < 4; i++) expect((await kit.client.run({ n: i }, breaking)).state).toBe('failed');
    expect((await kit.client.run({ n: 1 }, breaking)).state).toBe('completed');
  });

  it('is not replaced for jobs that also fail in a fresh runner, nor for one job that fails repeatedly', async () => {
    const lines = keepLog();
    const worker = await kit.worker({}, {}, lines.log);
    expect(worker.activeJobs).toBe(0);
    for (let i = 0; i < 12; i++) await kit.client.run({ do: 'throw' }, fragile);
    // One replacement shows that the jobs are at fault: more would only cost loads.
    expect(lines.troubles.filter((line) => JSON.stringify(line).includes('RUNNER_BROKEN'))).toHaveLength(1);
    expect((await kit.client.run({ n: 1 }, fragile)).state).toBe('completed');
  });
});

describe('a poison row', () => {
  it('fails alone in its chunk: the other rows keep their results, in input order', async () => {
    await kit.worker();
    const index = Array.from({ length: 60 }, (_, i) => [i === 17 || i === 40 ? 9999 : i % 4]);
    const { group: id } = await group('poison', index, 30);
    const ended = await kit.client.waitGroup(id, { timeoutMs: 30_000 });
    expect(ended).toMatchObject({ state: 'failed', jobsFailed: 2, rows: 60, rowsDone: 58 });
    const values: unknown[] = [];
    for await (const chunk of kit.client.groupChunks(ended)) values.push(...(chunk.values ?? []));
    expect(values).toHaveLength(60);
    expect(values[0]).toEqual({ y: [10] });
    expect(values[59]).toEqual({ y: [40] });
    expect(values[17]).toMatchObject({ error: { code: 'RUN_FAILED' } });
    expect(values[40]).toMatchObject({ error: { code: 'RUN_FAILED' } });
    expect(values.filter((value) => (value as { y?: unknown }).y !== undefined)).toHaveLength(58);
  });

  it('fails alone when it crashes the runner', async () => {
    await kit.worker();
    const rows = Array.from({ length: 16 }, (_, n) => (n === 3 ? { do: 'exit' } : { n }));
    const { group: id } = await group('fragile', rows, 16);
    const ended = await kit.client.waitGroup(id, { timeoutMs: 30_000 });
    expect(ended).toMatchObject({ state: 'failed', rowsDone: 15 });
  });

  it('is not searched for row by row when every row fails', async () => {
    await kit.worker();
    const { group: id } = await group(
      'poison',
      Array.from({ length: 64 }, () => [9999]),
      64,
    );
    const ended = await kit.client.waitGroup(id, { timeoutMs: 30_000 });
    expect(ended).toMatchObject({ state: 'failed', rowsDone: 0 });
  });
});

describe('retrying a failed job', () => {
  it('runs it again at its own priority, with its input', async () => {
    const worker = await kit.worker();
    const failed = await kit.client.run([9999], { model: 'poison', priority: 4 });
    expect(failed.state).toBe('failed');
    worker.leave();
    await kit.stopWorkers();
    expect(await kit.client.retry(failed.id)).toEqual({ queue: 'realtime', count: 1 });
    expect((await kit.client.result(failed.id)).state).toBe('waiting');
    await kit.worker();
    const again = await kit.client.wait(failed.id, { timeoutMs: 20_000 });
    expect(again).toMatchObject({ state: 'failed', attempts: 1 });
    expect(await kit.client.retryFailed('realtime')).toBeGreaterThan(0);
    const ok = await kit.client.run([1], { model: 'poison' });
    expect(await kit.client.retry(ok.id)).toMatchObject({ count: 0 });
  });
});
