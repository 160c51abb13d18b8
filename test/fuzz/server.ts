import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cleanEnvironment } from '../chaos/processes.js';
import { ChaosRedis } from '../chaos/redis-server.js';
import { type Place, Supervised } from '../soak/processes.js';
import { DONE_IDS, GROUP_ID, HELD, SERVED, VICTIM_IDS, WAITING_IDS, writeModels } from './hints.js';

const run = promisify(execFile);
const READY_MS = 100_000;
const STOP_MS = 30_000;
const ROW = [0, 1, 2, 3];

/** A gateway with a worker and its own Redis, all of them real processes. */
export class FuzzedServer {
  private constructor(
    private readonly place: Place,
    private readonly worker: Supervised,
    private readonly gateway: Supervised,
    readonly url: string,
    readonly token: string,
    readonly weakToken: string,
    /** Text that no response and no log may contain. */
    readonly secrets: readonly string[],
  ) {}

  /**
   * Starts everything in a directory.
   * @param last receives functions that kill each process, for a harness that is itself being terminated
   */
  static async start(root: string, dir: string, last: (() => void)[]): Promise<FuzzedServer> {
    const models = join(dir, 'models');
    mkdirSync(models);
    writeModels(models);
    const password = 'fuzz-secret-9d27f1';
    const redis = await ChaosRedis.start(dir, password, { durable: false });
    last.push(() => redis.killNow());
    const env = {
      INFER_REDIS_URL: redis.url,
      INFER_REDIS_PASSWORD: password,
      INFER_STATE_DIR: join(dir, 'state'),
      INFER_MODELS_DIR: models,
    };
    const place: Place = { root, dir, env };
    const binary = join(root, 'bin/run.js');
    const tokens = join(dir, 'tokens.json');
    const create = async (name: string, ...scopes: string[]): Promise<string> => {
      const args = ['token', 'create', name, '--token-file', tokens];
      const flags = scopes.flatMap((scope) => ['--scope', scope]);
      const options = { cwd: dir, env: cleanEnvironment(env) };
      return (await run(process.execPath, [binary, ...args, ...flags], options)).stdout.trim();
    };
    const token = await create('fuzz', 'submit', 'read', 'read:all', 'control');
    const weakToken = await create('weak', 'read');
    const worker = new Supervised(
      'worker',
      [binary, 'worker', '-Q', SERVED.join(','), '--threads', '1', '--log-level', 'warn'],
      place,
      false,
    );
    last.push(() => worker.killNow());
    const limits = ['--max-body', '1mb', '--max-wait', '2s', '--log-level', 'debug'];
    const gateway = new Supervised(
      'gateway',
      [binary, 'serve', '--port', '0', '--token-file', tokens, '--allow-control', ...limits],
      place,
      false,
    );
    last.push(() => gateway.killNow());
    await ready(worker, dir, /^ready\b/m);
    const [, url = ''] = await ready(gateway, dir, /^ready (http:\S+)/m);
    const secrets = [token, weakToken, password];
    const server = new FuzzedServer(place, worker, gateway, url, token, weakToken, secrets);
    await server.seed();
    return server;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** The document of its API. @throws Error if there is none. */
  async document(): Promise<Record<string, unknown>> {
    const answer = await this.ask('GET', '/openapi.json');
    if (!answer.ok) throw new Error(`GET /openapi.json: ${answer.status}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Whether it still works: it runs a job and returns its result. */
  async works(): Promise<string | undefined> {
    for (const process of [this.gateway, this.worker])
      if (process.ended !== undefined) return `${process.ended} ended`;
    const job = { model: 'doubler', input: ROW };
    for (let tries = 0; tries < 30; tries++) {
      const answer = await this.ask('POST', '/v1/jobs', job, { prefer: 'wait=2' });
      // Other jobs may still be ahead of it.
      if (answer.status !== 202 && answer.status !== 200) return `a job is answered with ${answer.status}`;
      const { state } = (await answer.json()) as { state?: string };
      if (state === 'completed') return undefined;
    }
    return 'a job does not end';
  }

  /** Shuts down gateway and worker, and returns the log of the gateway. */
  async stop(): Promise<string> {
    await this.gateway.stop(STOP_MS);
    await this.worker.stop(STOP_MS);
    return readFileSync(join(this.place.dir, 'gateway.log'), 'utf8');
  }

  /** Submits the jobs and the group that requests refer to. */
  private async seed(): Promise<void> {
    const put = async (id: string, queue: string, headers: Record<string, string> = {}): Promise<void> => {
      const answer = await this.ask(
        'PUT',
        `/v1/jobs/${id}`,
        { model: 'doubler', input: ROW, queue },
        headers,
      );
      if (!answer.ok) throw new Error(`PUT /v1/jobs/${id}: ${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    };
    await Promise.all([
      ...DONE_IDS.map((id) => put(id, SERVED[0], { prefer: 'wait=2' })),
      ...[...WAITING_IDS, ...VICTIM_IDS].map((id) => put(id, HELD)),
    ]);
    const group = await fetch(`${this.url}/v1/jobs/${GROUP_ID}?model=doubler`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify(ROW)}\n${JSON.stringify(ROW)}\n`,
    });
    if (!group.ok) throw new Error(`PUT /v1/jobs/${GROUP_ID}: ${group.status} ${await group.text()}`);
    await group.arrayBuffer();
  }

  private ask(
    method: string,
    where: string,
    json?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.url}${where}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  }
}

/** Waits for a line in the log of a process. @throws Error if it ends first, or after a timeout. */
async function ready(process: Supervised, dir: string, line: RegExp): Promise<RegExpExecArray> {
  const log = join(dir, `${process.name}.log`);
  for (const until = performance.now() + READY_MS; performance.now() < until; await delay(50)) {
    const found = line.exec(readFileSync(log, 'utf8'));
    if (found !== null) return found;
    if (process.ended !== undefined) break;
  }
  throw new Error(`${process.name} is not ready: ${readFileSync(log, 'utf8').slice(-500)}`);
}
