// A deployment at work for the screenshots of the dashboard: a Redis, two workers, an autoscaler with workers of its
// own, and jobs that wait, run, fail, expire and are retried.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Rows take 20 ms one after the other, as with a larger model, and one without pixels fails. */
const HANDLER = `
let turn = Promise.resolve();
export async function preprocess(row) {
  turn = turn.then(() => new Promise((resolve) => setTimeout(resolve, row.ms ?? 20)));
  await turn;
  if (row.pixels === undefined) throw new Error('the row has no pixels');
  return { pixels: row.pixels };
}`;

const PIXELS = Array.from({ length: 64 }, (_, at) => (at % 17) / 16);

/**
 * Starts it in the folder `scratch`.
 * @returns the page's address, a token that may act, ids of jobs to show, `work(ms)` and `stop()`
 */
export async function startDeployment(scratch) {
  const port = await freePort();
  const redis = `redis://127.0.0.1:${port}`;
  const env = { ...process.env, INFER_REDIS_URL: redis, INFER_STATE_DIR: join(scratch, 'state') };
  const models = join(scratch, 'models');
  const tokenFile = join(scratch, 'tokens.json');
  const children = [];
  const start = (command, args) => {
    const child = startChild(command, args, env);
    children.push(child);
    return child;
  };
  const infer = (...args) => start(process.execPath, [join(root, 'bin/run.js'), ...args]);
  const run = (...args) => runCommand(args, env);
  const stop = async () => {
    // Workers that drain need their Redis: it goes last.
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    }
  };
  try {
    start('redis-server', ['--port', String(port), '--save', '', '--dir', scratch, '--maxmemory', '256mb']);
    while (spawnSync('redis-cli', ['-p', String(port), 'ping'], { stdio: 'ignore' }).status !== 0)
      await delay(100);
    writeModels(models);
    for (const name of ['worker-1', 'worker-2']) {
      await ready(
        infer('worker', '--name', name, '-Q', 'realtime,batch', '--models', models, '--threads', '1'),
      );
    }
    const pool = ['--min', '1', '--max', '3', '--target-wait', '5s', '--on-exit', 'drain'];
    infer('autoscale', '-Q', 'forms', ...pool, '--', '--models', models, '--threads', '1');
    const token = run(
      'token',
      'create',
      'ada',
      '--scope',
      'read:all',
      '--scope',
      'control',
      '--token-file',
      tokenFile,
    );
    const dashboard = infer('dashboard', '--port', '0', '--allow-control', '--token-file', tokenFile);
    const url = /^ready (\S+)/m.exec(await ready(dashboard))[1];
    const { InferClient } = await import(join(root, 'dist/lib/index.js'));
    const client = await InferClient.connect({ redis });
    const jobs = await firstJobs(client);
    run('control', 'pause', 'embeddings', '--as', 'ada');
    return { url, token, jobs, work: (ms) => work(client, ms), stop: () => client.close().then(stop) };
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeModels(models) {
  mkdirSync(models, { recursive: true });
  for (const name of ['digits', 'forms'])
    cpSync(join(root, 'models/digits'), join(models, name), { recursive: true });
  writeFileSync(join(models, 'forms/handler.mjs'), HANDLER);
  writeFileSync(join(models, 'forms/model.json'), JSON.stringify({ handler: './handler.mjs' }));
}

/** One job for each state that does not come by itself. */
async function firstJobs(client) {
  const nightly = { model: 'digits', queue: 'nightly' };
  const waiting = await client.submit(PIXELS, { ...nightly, priority: 7 });
  for (const priority of [0, 0, 0, 4]) await client.submit(PIXELS, { ...nightly, priority });
  await client.submit(PIXELS, { ...nightly, delayMs: 7_200_000 });
  await client.submit(PIXELS, { model: 'digits', queue: 'embeddings' });
  const failed = await client.submit(
    { pixel: 1 },
    { model: 'forms', queue: 'forms', retries: 1, retryDelayMs: 1000 },
  );
  await client.submit(
    { ms: 4000, pixels: PIXELS },
    { model: 'forms', queue: 'forms', retries: 0, timeLimitMs: 1000 },
  );
  const completed = await client.submit(PIXELS, { model: 'digits', priority: 9 });
  return { waiting: waiting.id, failed: failed.id, completed: completed.id };
}

/** Submits for so many milliseconds: a steady flow, a batch now and then, and a row that fails once in a while. */
async function work(client, ms) {
  const until = Date.now() + ms;
  for (let turn = 0; Date.now() < until; turn++) {
    const urgent = turn % 5 === 0 ? 9 : 4;
    const flow = Array.from({ length: 4 + Math.round(3 * Math.sin(turn / 12)) }, () =>
      client.submit(PIXELS, { model: 'digits', priority: urgent }),
    );
    await Promise.all(flow);
    const forms = (number, queue) =>
      client.submitRows(rows(number, { pixels: PIXELS }), { model: 'forms', queue });
    if (turn % 60 === 0) await client.submitRows(rows(600, PIXELS), { model: 'digits', queue: 'batch' });
    if (turn % 60 === 20) await forms(400, 'batch');
    if (turn % 75 === 10) {
      const jobs = rows(700, { pixels: PIXELS });
      await Promise.all(jobs.map((row) => client.submit(row, { model: 'forms', queue: 'forms' })));
    }
    if (turn % 150 === 15) {
      await client.submit({ pixel: 1 }, { model: 'forms', queue: 'forms', retries: 0 });
    }
    await delay(400);
  }
}

function rows(number, row) {
  return Array.from({ length: number }, () => row);
}

function startChild(command, args, env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.text = '';
  child.stderr.on('data', (piece) => {
    child.text += piece;
  });
  return child;
}

/** What it printed, once it is ready. */
function ready(child) {
  return new Promise((resolve, reject) => {
    const look = () => /^ready\b/m.test(child.text) && resolve(child.text);
    child.stderr.on('data', look);
    child.once('exit', () => reject(new Error(child.text)));
    look();
  });
}

function runCommand(args, env) {
  const command = [join(root, 'bin/run.js'), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`infer ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
