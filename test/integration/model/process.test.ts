import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../../src/lib/model/package-root.js';
import { runnerEnv, startRunner } from '../../../src/lib/model/process-runner.js';
import type { Runner, RunnerOptions } from '../../../src/lib/model/runner.js';
import { decodeStrings } from '../../../src/lib/model/tensor.js';
import { doubler, slow, writeModel } from '../../support/onnx-builder.js';
import { payload, rowTensor, sharedTensor } from './payloads.js';

const dir = mkdtempSync(path.join(tmpdir(), 'infer-process-'));
const started: Runner[] = [];
const start = async (options: Partial<RunnerOptions> = {}) => {
  const runner = await startRunner({
    provider: 'cpu',
    requireGpu: false,
    threads: 1,
    modelsDir: dir,
    ...options,
  });
  started.push(runner);
  return runner;
};
/** A run of `turns` times about 5 ms. */
const slowRun = (turns: number) => ({
  model: 'slow',
  parts: [
    payload(1, rowTensor('x', 'float32', [2], [1, 2]), sharedTensor('turns', 'int64', [1], [BigInt(turns)])),
  ],
});
const handled = (code: string, name: string) =>
  writeModel(dir, name, doubler(2), { handler: './handler.mjs' }, { files: { 'handler.mjs': code } });
const json = (model: string) => ({ model, parts: [payload(1, rowTensor('json', 'string', [], ['[1,2]']))] });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(condition()).toBe(true);
}

beforeAll(() => {
  writeModel(dir, 'slow', slow());
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((runner) => runner.kill()));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it("a runner killed mid-run rejects the call and all later ones with the signal's name", async () => {
  const runner = await start();
  await runner.load('slow');
  const running = runner.run(slowRun(100_000));
  const failure = running.catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.kill(runner.pid, 'SIGKILL');
  expect(await failure).toMatchObject({
    code: 'RUNNER_DIED',
    message: "the model's process died (killed by SIGKILL)",
  });
  expect(await runner.exited).toEqual({
    reason: 'killed by SIGKILL',
    signal: 'SIGKILL',
    code: null,
    expected: false,
  });
  await expect(runner.load('slow')).rejects.toMatchObject({ code: 'RUNNER_DIED' });
  await runner.stop();
});

it('kill ends a run in progress at once and is treated as intended', async () => {
  const runner = await start();
  await runner.load('slow');
  const failure = runner.run(slowRun(100_000)).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // The kernel acknowledges for the runner while its thread is busy.
  expect(await runner.memory()).toBeGreaterThan(10 * 1024 * 1024);
  const at = performance.now();
  await runner.kill();
  expect(performance.now() - at).toBeLessThan(30_000);
  expect(await failure).toMatchObject({ code: 'RUNNER_DIED' });
  expect((await runner.exited).expected).toBe(true);
});

it('stop lets the current run finish; signals do not end it', async () => {
  const runner = await start();
  await runner.load('slow');
  const running = runner.run(slowRun(20));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(runner.pid, signal);
  const stopped = runner.stop();
  expect((await running).outputs.rows).toBe(1);
  await stopped;
  expect(await runner.exited).toEqual({ reason: 'exit code 0', signal: null, code: 0, expected: true });
});

it('a runner that exits on its own reports its exit code and last output', async () => {
  handled('export function preprocess() { console.error("Error: disk on fire"); process.exit(3); }', 'exits');
  const runner = await start();
  await runner.load('exits');
  await expect(runner.run(json('exits'))).rejects.toMatchObject({
    code: 'RUNNER_DIED',
    message: "the model's process died (exit code 3): Error: disk on fire",
  });
});

it('a runner gets no secrets in its environment, and its GPU is pinned', async () => {
  expect(
    runnerEnv(
      {
        INFER_REDIS_URL: 'redis://:pw@h',
        INFER_RESULT_URL: 'x',
        REDIS_URL: 'y',
        HOME: '/h',
        CUDA_VISIBLE_DEVICES: '7',
      },
      '2',
    ),
  ).toEqual({
    HOME: '/h',
    CUDA_VISIBLE_DEVICES: '2',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
  handled(
    'export const preprocess = () => ({ x: [0, 0] }); export const postprocess = () => process.env;',
    'env',
  );
  process.env.INFER_REDIS_PASSWORD = 'hunter2';
  try {
    const runner = await start({ gpu: 'GPU-abc' });
    await runner.load('env');
    const { outputs } = await runner.run(json('env'));
    const env = JSON.parse(decodeStrings(outputs.tensors[0]?.data as Uint8Array)[0] as string) as Record<
      string,
      string
    >;
    expect(env.CUDA_VISIBLE_DEVICES).toBe('GPU-abc');
    expect(JSON.stringify(env)).not.toContain('hunter2');
  } finally {
    delete process.env.INFER_REDIS_PASSWORD;
  }
});

it('a runner without CUDA libraries falls back to the CPU with the reason, or refuses', async () => {
  const wishful = await start({ provider: 'cuda', gpu: '3' });
  const loaded = await wishful.load('slow');
  if (loaded.device === 'cpu') {
    expect(loaded.fallback).toContain('cuda');
    const strict = await start({ provider: 'cuda', requireGpu: true });
    await expect(strict.load('slow')).rejects.toMatchObject({ code: 'GPU_UNAVAILABLE', exitCode: 69 });
  } else {
    expect(loaded.device).toBe('cuda:0 (GPU 3)');
  }
});

it('a runner ends when its parent is killed', async () => {
  const module = pathToFileURL(path.join(packageRoot(), 'dist/lib/model/process-runner.js')).href;
  const code = `import { startRunner } from ${JSON.stringify(module)};
    const runner = await startRunner({ provider: 'cpu', requireGpu: false, threads: 1, modelsDir: ${JSON.stringify(dir)} });
    console.log(runner.pid); setInterval(() => {}, 1000);`;
  const parent: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk))),
  );
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !isAlive(pid));
});
