import path from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll } from 'vitest';
import { openView, settled, type useBrowser } from '../support/browser.js';
import { type Sandbox, useInfer } from '../support/cli.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { freePort } from '../support/ports.js';
import { type TestRedis, useRedis } from '../support/redis.js';
import { startWorker, type TestWorker } from '../support/worker.js';

/** Fails, or runs as long as requested. */
const HANDLER = `
import { setTimeout as delay } from 'node:timers/promises';
export async function preprocess(row) {
  if (row.do === 'throw') throw new Error('no such word');
  if (row.ms) await delay(row.ms);
  return { x: [1, 1, 1, 1] };
}`;

/** Some twenty processes start; this only ends a set-up that hangs. */
const START_MS = 300_000;

/** A deployment at work: a worker, jobs in each state, an autoscaler and a dashboard with actions. */
export interface Scene {
  readonly redis: TestRedis;
  readonly infer: Sandbox;
  /** The worker's directory of models, which has `acts`. */
  readonly models: string;
  readonly worker: TestWorker;
  /** Address of the page, with a trailing slash. */
  readonly url: string;
  readonly tokens: { readonly operator: string; readonly reader: string };
  /** Ids of a job in each state. */
  readonly jobs: Readonly<Record<'completed' | 'failed' | 'waiting' | 'delayed', string>>;
  readonly dashboard: TestWorker;
  /** Starts another dashboard, or this one again at its address. */
  startDashboard(args?: readonly string[]): Promise<{ url: string; process: TestWorker }>;
  /** Submits a row to queue `nightly`, which no worker serves, or to another one; returns its id. */
  submit(row: object, ...more: string[]): Promise<string>;
}

/** The deployment for all tests of a file. */
export function useScene(): Scene {
  const redis = useRedis({ port: true });
  const infer = useInfer(redis);
  const scene = { redis, infer } as { -readonly [K in keyof Scene]: Scene[K] };

  scene.submit = async (row, ...more) => {
    const queue = more.includes('-Q') ? [] : ['-Q', 'nightly'];
    const words = ['submit', '-', '-m', 'acts', '--quiet', ...queue, ...more];
    const run = await infer.ask(words, { stdin: JSON.stringify(row) });
    if (run.exitCode !== 0) throw new Error(run.stderr);
    return run.stdout.trim();
  };

  beforeAll(async () => {
    const models = path.join(infer.dir, 'models');
    scene.models = models;
    writeModel(
      models,
      'acts',
      doubler(),
      { handler: './handler.mjs' },
      { files: { 'handler.mjs': HANDLER } },
    );
    scene.worker = await infer.worker(['--models', models, '--name', 'worker-1', '-Q', 'realtime,batch']);

    const file = path.join(infer.dir, 'tokens.json');
    const token = async (name: string, ...scopes: string[]) => {
      const words = ['token', 'create', name, '--token-file', file];
      return (await infer.run([...words, ...scopes.flatMap((scope) => ['--scope', scope])])).stdout.trim();
    };
    scene.tokens = {
      operator: await token('ada', 'read:all', 'control'),
      reader: await token('bob', 'read:all'),
    };
    const port = await freePort();
    scene.startDashboard = async (args = ['--port', String(port), '--allow-control']) => {
      const process = await startWorker(infer.start(['dashboard', '--token-file', file, ...args]));
      const [, url = ''] = /^ready (\S+)/m.exec(process.stderr) ?? [];
      return { url, process };
    };
    const { url, process } = await scene.startDashboard();
    scene.url = url;
    scene.dashboard = process;

    const [completed, failed] = await Promise.all([
      scene.submit({}, '-Q', 'realtime'),
      scene.submit({ do: 'throw' }, '-Q', 'batch'),
    ]);
    for (let i = 0; i < 4; i++) await scene.submit(i % 2 ? {} : { do: 'throw' }, '-Q', 'batch');
    await Promise.all([completed, failed].map((id) => infer.ask(['result', id, '--wait'])));
    const waiting = await scene.submit({}, '--priority', '7');
    const delayed = await scene.submit({}, '--delay', '1h');
    scene.jobs = { completed, failed, waiting, delayed };
    // It decides, and has no reason to start a worker.
    await startWorker(
      infer.start(['autoscale', '-Q', 'scaled', '--min', '0', '--max', '2', '--', '--models', models]),
      {
        readyLine: /^autoscaler of scaled/m,
      },
    );
  }, START_MS);
  return scene;
}

/** Opens a view in a new tab, with a token that may act. */
export async function openAsOperator(
  browser: ReturnType<typeof useBrowser>,
  scene: Scene,
  view: string,
  options: Parameters<typeof browser.open>[0] = {},
): Promise<Page> {
  const { page } = await browser.open(options);
  await page.goto(`${scene.url}#token=${scene.tokens.operator}`);
  await settled(page);
  await openView(page, view);
  return page;
}
