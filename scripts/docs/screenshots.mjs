// Makes the screenshots of docs/dashboard.md: a Redis, workers with work that takes time, waits and fails, and a
// dashboard, all stopped at the end. Needs a build, redis-server and chromium.
//   node scripts/docs/screenshots.mjs [FOLDER]   [docs/images]
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = process.argv[2] ?? join(root, 'docs/images');
const scratch = mkdtempSync(join(tmpdir(), 'infer-screenshots-'));
const socket = join(scratch, 'redis.sock');
const env = { ...process.env, INFER_REDIS_URL: `unix://${socket}`, INFER_STATE_DIR: join(scratch, 'state') };
const tokenFile = join(scratch, 'tokens.json');
const children = [];

/** How long the charts fill before they are photographed. */
const WORK_MS = 90_000;

/** File name, view, themes. */
const VIEWS = [
  ['overview', 'overview', ['light', 'dark']],
  ['queues', 'queues', ['light']],
  ['workers', 'workers', ['light']],
  ['model', 'models/digits', ['light']],
  ['jobs', 'jobs?state=failed', ['light']],
  ['job', undefined, ['light']],
  ['failures', 'failures', ['light']],
  ['autoscaler', 'autoscaler', ['light']],
  ['redis', 'redis', ['light']],
  ['events', 'events', ['light']],
  ['audit', 'audit', ['light']],
];

/** Fails on one row in many, and takes the time of a larger model. */
const HANDLER = `
export async function preprocess(row) {
  await new Promise((resolve) => setTimeout(resolve, 4));
  if (row.pixels === undefined) throw new Error('the row has no pixels');
  return { pixels: row.pixels };
}`;

try {
  mkdirSync(out, { recursive: true });
  await begin();
  await photograph();
} finally {
  for (const child of children.reverse()) child.kill('SIGTERM');
  await Promise.all(
    children.map((child) => child.exitCode ?? new Promise((done) => child.once('exit', done))),
  );
  rmSync(scratch, { recursive: true, force: true });
}

async function begin() {
  start('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', scratch]);
  while (spawnSync('redis-cli', ['-s', socket, 'ping'], { stdio: 'ignore' }).status !== 0) await delay(50);
  const models = join(scratch, 'models');
  cpSync(join(root, 'models/digits'), join(models, 'digits'), { recursive: true });
  cpSync(join(root, 'models/digits'), join(models, 'forms'), { recursive: true });
  writeFileSync(join(models, 'forms/handler.mjs'), HANDLER);
  writeFileSync(join(models, 'forms/model.json'), JSON.stringify({ handler: './handler.mjs' }));
  for (const name of ['worker-1', 'worker-2']) {
    await ready(infer(['worker', '--name', name, '-Q', 'realtime,batch', '--models', models]));
  }
  infer(['autoscale', '-Q', 'batch', '--dry-run', '--max', '4']);
  run(['token', 'create', 'ada', '--scope', 'read:all', '--scope', 'control', '--token-file', tokenFile]);
  run(['submit', join(root, 'examples/one-digit.json'), '-m', 'digits', '-Q', 'nightly']);
  run(['submit', join(root, 'examples/one-digit.json'), '-m', 'digits', '-Q', 'nightly', '--delay', '2h']);
  for (let i = 0; i < 7; i++)
    run(['submit', '-', '-m', 'forms', '-Q', 'batch', '--retries', '1'], '{"pixel":1}');
  run(['control', 'pause', 'embeddings', '--as', 'ada']);
}

async function photograph() {
  const token = run([
    'token',
    'create',
    'eve',
    '--scope',
    'read:all',
    '--scope',
    'control',
    '--token-file',
    tokenFile,
  ]);
  const dashboard = infer(['dashboard', '--port', '0', '--allow-control', '--token-file', tokenFile]);
  const url = /^ready (\S+)/m.exec(await ready(dashboard))[1];
  const until = Date.now() + WORK_MS;
  while (Date.now() < until) {
    run(['submit', join(root, 'examples/digits.ndjson'), '-m', 'digits']);
    run(['submit', join(root, 'examples/one-digit.json'), '-m', 'digits', '--priority', '9']);
  }
  for (let i = 0; i < 6; i++) infer(['submit', join(root, 'examples/digits.ndjson'), '-m', 'digits', '-q']);
  const failed = JSON.parse(run(['inspect', 'jobs', '--state', 'failed', '--json'])).jobs?.[0]?.id;
  const browser = await chromium.launch({ executablePath: program(), args: ['--no-sandbox'] });
  try {
    for (const theme of ['light', 'dark']) {
      const page = await browser.newPage({ colorScheme: theme, viewport: { width: 1280, height: 800 } });
      await page.goto(`${url}#token=${token}`);
      for (const [name, view = `jobs/${failed}`, themes] of VIEWS) {
        if (!themes.includes(theme)) continue;
        await page.evaluate(`location.hash = '#/${view}'`);
        await page.locator('main h1').waitFor();
        await page
          .locator('main .quiet', { hasText: /^Reading/ })
          .first()
          .waitFor({ state: 'detached' });
        await delay(1500); // a snapshot or two, for the charts
        await page.screenshot({ path: join(out, `dashboard-${name}-${theme}.png`) });
      }
    }
  } finally {
    await browser.close();
  }
}

function infer(args) {
  return start(process.execPath, [join(root, 'bin/run.js'), ...args]);
}

function start(command, args) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.text = '';
  child.stderr.on('data', (piece) => {
    child.text += piece;
  });
  children.push(child);
  return child;
}

/** What it said, once it is ready. */
function ready(child) {
  return new Promise((resolve, reject) => {
    const look = () => /^ready\b/m.test(child.text) && resolve(child.text);
    child.stderr.on('data', look);
    child.once('exit', () => reject(new Error(child.text)));
    look();
  });
}

function run(args, input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/run.js'), ...args], {
    env,
    input,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`infer ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

function program() {
  const found = spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], {
    encoding: 'utf8',
  });
  if (found.status !== 0) throw new Error('chromium is not installed: apt-get install chromium');
  return found.stdout.trim();
}
