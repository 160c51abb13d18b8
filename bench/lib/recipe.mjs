import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HttpCalls } from './http.mjs';

const FOLDER = fileURLToPath(new URL('../gateway/recipe/', import.meta.url));
/** Debian's packages are for Debian's Python, which need not be the first on the PATH. */
const PYTHON = process.env.BENCH_PYTHON ?? '/usr/bin/python3';
const START_MS = 30_000;
/** Debian's names. */
const PACKAGES = ['python3-fastapi', 'python3-uvicorn', 'python3-celery', 'python3-redis'];

/** Why the recipe cannot run here, and what to install; undefined where it can. */
export function recipeMissing() {
  const found = spawnSync(PYTHON, ['-c', 'import fastapi, uvicorn, celery, redis'], { encoding: 'utf8' });
  if (found.status === 0) return undefined;
  const why = found.error?.message ?? found.stderr.trim().split('\n').at(-1);
  return { why: `${PYTHON}: ${why}`, packages: PACKAGES };
}

/** FastAPI with Celery, as processes that use database 1 of a server. */
export class Recipe {
  /** @param {string} url @param {import('./lanes.mjs').Server} server */
  constructor(url, server) {
    this.url = url;
    this.server = server;
  }

  /**
   * One process that takes requests and one worker, both ready.
   * @param {import('./place.mjs').Place} place @param {import('./lanes.mjs').Server} server @param {Buffer} body a request
   */
  static async start(place, server, body) {
    const port = await freePort();
    const env = { ...process.env, BENCH_REDIS_SOCKET: server.socket, PYTHONDONTWRITEBYTECODE: '1' };
    const python = (/** @type {string[]} */ ...args) =>
      place.spawn(PYTHON, ['-m', ...args], { cwd: FOLDER, env, stdio: ['ignore', 'ignore', 'inherit'] });
    const quick = ['--without-gossip', '--without-mingle', '--without-heartbeat'];
    const worker = ['celery', '-A', 'tasks', 'worker', '--pool', 'solo', '--loglevel', 'ERROR', ...quick];
    const app = [
      'uvicorn',
      'app:app',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--log-level',
      'warning',
    ];
    const processes = [python(...worker), python(...app, '--no-access-log')];
    const recipe = new Recipe(`http://127.0.0.1:${port}`, server);
    const calls = new HttpCalls(recipe.url, 1);
    const end = Date.now() + START_MS;
    try {
      for (;;) {
        if (processes.some(({ exitCode }) => exitCode !== null))
          throw new Error('the recipe ended at its start');
        if (await recipe.answers(calls, body)) return recipe;
        if (Date.now() > end) throw new Error('the recipe is not ready');
        await delay(100);
      }
    } finally {
      calls.close();
    }
  }

  /** Whether a task is accepted and run. @param {HttpCalls} calls @param {Buffer} body */
  async answers(calls, body) {
    const sent = await calls
      .post('/predict', body, { 'content-type': 'application/json' })
      .catch(() => undefined);
    if (sent === undefined) return false;
    const { task_id: id } = JSON.parse(sent.toString());
    for (let looks = 0; looks < 50; looks++) {
      const answer = /** @type {{status: string}} */ (await (await fetch(`${this.url}/result/${id}`)).json());
      if (answer.status === 'completed') return true;
      await delay(20);
    }
    return false;
  }

  /** Forgets its waiting tasks, so that its worker does not run while the other side is measured. */
  async clear() {
    // In a script the choice of a database ends with it. Other keys stay: they say where tasks are sent.
    const script = "redis.call('select', 1) return redis.call('del', 'celery', 'unacked', 'unacked_index')";
    await this.server.client.redis.eval(script, 0);
    await delay(200);
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
