import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { ask } from '../../src/lib/redis/probe.js';
import { freePort } from '../support/ports.js';

const START_DEADLINE_MS = 15_000;

/** The Redis of a run, with any number of processes. */
export interface ChaosServer {
  /** Without the password. */
  readonly url: string;
  client(): Redis;
  end(signal: NodeJS.Signals): Promise<void>;
  killNow(): void;
}

/**
 * A private server whose acknowledged writes survive `kill -9`: append-only file, synced at every write. (With
 * `everysec`, the usual setting, up to a second of acknowledged jobs may be lost.)
 */
export class ChaosRedis implements ChaosServer {
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly password: string,
    readonly log: string,
    private readonly options: { durable?: boolean; args?: readonly string[] },
  ) {}

  /** @param options not `durable`: it keeps everything in memory only; more arguments of the server. */
  static async start(
    dir: string,
    password: string,
    options: ChaosRedis['options'] = {},
  ): Promise<ChaosRedis> {
    const redis = new ChaosRedis(await freePort(), dir, password, join(dir, 'redis.log'), options);
    await redis.launch();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** For the harness itself, bypassing every proxy; waits out restarts. */
  client(): Redis {
    return ChaosRedis.connect(this.port, this.password);
  }

  /** The same for a server started elsewhere. */
  static connect(port: number, password: string): Redis {
    const client = new Redis({
      port,
      host: '127.0.0.1',
      password,
      connectionName: 'chaos-harness',
      maxRetriesPerRequest: null,
      retryStrategy: () => 100,
    });
    // Expected during faults; without a listener it would be printed.
    client.on('error', () => undefined);
    return client;
  }

  async launch(): Promise<void> {
    const log = openSync(this.log, 'a');
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir, '--save', ''];
    // The password is passed on standard input: arguments are visible in every process list.
    args.unshift('-');
    args.push('--maxmemory-policy', 'noeviction');
    const { durable = true, args: more = [] } = this.options;
    args.push(...more);
    if (durable) args.push('--appendonly', 'yes', '--appendfsync', 'always');
    const child = spawn('redis-server', args, { stdio: ['pipe', log, log] });
    closeSync(log);
    this.child = child;
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    child.stdin?.end(`requirepass ${this.password}\n`);
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      const answer = await ask({ host: '127.0.0.1', port: this.port }, 'PING', 500);
      if (answer.kind === 'error' && answer.text.includes('NOAUTH')) break;
      if (failure !== undefined || child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`redis-server did not start: ${failure?.message ?? `see ${this.log}`}`);
      }
      await delay(20);
    }
    // It answers before its append-only file is loaded; ioredis is ready when loading is done.
    const client = this.client();
    await client.ping();
    client.disconnect();
  }

  /** SIGKILL, or SIGTERM for an orderly end; resolves once it has exited. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  /** Immediately, for a harness that is itself being ended. */
  killNow(): void {
    this.child?.kill('SIGKILL');
  }
}
