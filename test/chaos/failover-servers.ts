import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../support/ports.js';
import { ChaosRedis, type ChaosServer } from './redis-server.js';

const NAME = 'main';
const START_MS = 20_000;
const FAILOVER_MS = 30_000;

/** A master, its replica, and a single sentinel that decides which is which. */
export class FailoverServers implements ChaosServer {
  private constructor(
    private readonly servers: readonly [ChaosRedis, ChaosRedis],
    private readonly sentinel: ChildProcess,
    private readonly asked: Redis,
    private readonly port: number,
    private readonly password: string,
  ) {}

  static async start(dir: string, password: string, args: readonly string[]): Promise<FailoverServers> {
    const place = (name: string) => {
      mkdirSync(join(dir, name));
      return join(dir, name);
    };
    // Either may become the other's replica.
    const common = [...args, '--masterauth', password, '--repl-diskless-sync-delay', '0'];
    const master = await ChaosRedis.start(place('master'), password, { args: common });
    const replicaOf = ['--replicaof', `127.0.0.1 ${master.port}`];
    const replica = await ChaosRedis.start(place('replica'), password, { args: [...common, ...replicaOf] });
    const client = replica.client();
    await until(START_MS, async () => (await client.info('replication')).includes('master_link_status:up'));
    client.disconnect();
    const port = await freePort();
    const file = join(place('sentinel'), 'sentinel.conf');
    writeFileSync(
      file,
      `port ${port}
bind 127.0.0.1
sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1
sentinel auth-pass ${NAME} ${password}
sentinel down-after-milliseconds ${NAME} 5000
sentinel failover-timeout ${NAME} 10000
`,
    );
    const log = openSync(join(dir, 'sentinel.log'), 'a');
    const sentinel = spawn('redis-server', [file, '--sentinel'], { stdio: ['ignore', log, log] });
    closeSync(log);
    const asked = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 });
    asked.on('error', () => undefined);
    const all = new FailoverServers([master, replica], sentinel, asked, port, password);
    try {
      await until(
        START_MS,
        async () => ((await asked.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]).length === 1,
      );
    } catch (error) {
      all.killNow();
      throw error;
    }
    return all;
  }

  get url(): string {
    return `redis-sentinel://127.0.0.1:${this.port}/${NAME}`;
  }

  /** To the current master. */
  client(): Redis {
    const client = new Redis({
      sentinels: [{ host: '127.0.0.1', port: this.port }],
      name: NAME,
      password: this.password,
      connectionName: 'chaos-harness',
      maxRetriesPerRequest: null,
      retryStrategy: () => 100,
      sentinelRetryStrategy: () => 100,
    });
    client.on('error', () => undefined);
    return client;
  }

  /** A planned failover, until the old master is a replica of the new one and has its data. */
  async failover(): Promise<string> {
    const before = await this.master();
    const begin = Date.now();
    // NOGOODSLAVE until the sentinel knows the replica's state.
    await until(FAILOVER_MS, () =>
      this.asked.call('SENTINEL', 'FAILOVER', NAME).then(
        () => true,
        () => false,
      ),
    );
    await until(FAILOVER_MS, async () => (await this.master()) !== before);
    const took = Date.now() - begin;
    const [old] = this.servers.filter(({ port }) => port === before) as [ChaosRedis];
    const client = old.client();
    try {
      await until(FAILOVER_MS, async () =>
        (await client.info('replication')).includes('master_link_status:up'),
      );
    } finally {
      client.disconnect();
    }
    return `port ${before} gave way after ${took} ms`;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.asked.disconnect();
    if (this.sentinel.exitCode === null && this.sentinel.signalCode === null) {
      const gone = once(this.sentinel, 'exit');
      this.sentinel.kill(signal);
      await gone;
    }
    for (const server of this.servers) await server.end(signal);
  }

  killNow(): void {
    this.asked.disconnect();
    this.sentinel.kill('SIGKILL');
    for (const server of this.servers) server.killNow();
  }

  private async master(): Promise<number> {
    const [, port] = (await this.asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[];
    return Number(port);
  }
}

async function until(ms: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error('the servers of a failover are not ready');
    await delay(50);
  }
}
