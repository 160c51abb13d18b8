import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { ExitCode } from '../core/exit-codes.js';
import { newId } from '../core/job.js';
import { packageRoot } from '../model/package-root.js';
import { listWorkers } from '../queue/registry.js';
import type { WorkerRecord } from '../queue/types.js';
import { type ConnectionSettings, closeClient, connectLike, embeddedTargetOf } from '../redis/connect.js';
import { embeddedPaths, startEmbedded, stopEmbedded } from '../redis/embedded.js';
import { connectionSettings } from '../redis/from-settings.js';
import type { RedisClient } from '../redis/types.js';
import { removeKeys } from './remove-keys.js';
import { startWorker, type WorkerProcess } from './worker-process.js';

/** What stays when a demo ends with `--keep`. */
export interface Kept {
  redis: string;
  prefix: string;
  workerPid: number;
  /** The throw-away directory, with worker.log in it. */
  dir: string;
  /** Directory of the private Redis; null when the demo was given one. */
  stateDir: string | null;
}

/** The worker's start includes loading ONNX Runtime from a cold disk. */
const WORKER_START_MS = 60_000;
const LOOK_MS = 25;
const RESULT_TTL_S = 3600;

/**
 * Redis, a worker and a client for one demo, and their end. Without a Redis in the settings it has
 * one of its own in a throw-away directory; with one it works under a prefix of its own there.
 * However the process ends (short of SIGKILL), nothing of it stays.
 */
export class Stage {
  readonly dir = throwAwayDir();
  /** True when the demo has a Redis of its own. */
  readonly isPrivate: boolean;
  readonly prefix: string;
  private readonly redis: ConnectionSettings;
  private opened: InferClient | undefined;
  private worker: WorkerProcess | undefined;
  private kept = false;
  private readonly atExit = () => this.strikeNow();

  constructor(loaded: LoadedSettings) {
    this.isPrivate = loaded.sources.redisUrl.kind === 'default';
    this.prefix = this.isPrivate ? 'infer' : `infer-demo-${newId('j').slice(-8)}`;
    const given = connectionSettings(loaded, false);
    this.redis = this.isPrivate
      ? {
          url: embeddedTargetOf(this.dir).url,
          connectTimeoutMs: given.connectTimeoutMs,
          stateDir: this.dir,
          autostart: false,
        }
      : given;
    process.once('exit', this.atExit);
  }

  get client(): InferClient {
    if (this.opened === undefined) throw new Error('the stage has no client yet');
    return this.opened;
  }

  async openRedis(): Promise<InferClient> {
    if (this.isPrivate) await startEmbedded(this.dir);
    const modelsDir = join(packageRoot(), 'models');
    this.opened = await InferClient.open({
      prefix: this.prefix,
      modelsDir,
      resultTtl: RESULT_TTL_S,
      redis: this.redis,
    });
    return this.opened;
  }

  /** Starts the worker and waits until it has loaded its model. */
  async openWorker(args: string[], signal: AbortSignal): Promise<WorkerRecord> {
    const { prefix, client } = this;
    const models = join(packageRoot(), 'models');
    this.worker = startWorker({
      args: [...args, '--prefix', prefix, '--models', models],
      redisUrl: this.redis.url as string,
      log: this.log,
    });
    const deadline = Date.now() + WORKER_START_MS;
    while (Date.now() < deadline) {
      const [record] = await listWorkers(client.redis, prefix);
      if (record !== undefined) return record;
      await Promise.race([delay(LOOK_MS, undefined, { signal }), this.worker.failed]);
    }
    throw new InferError('DEMO_WORKER', 'the worker did not get ready within a minute', {
      hint: 'infer worker, to see what it waits for',
      exitCode: ExitCode.Unavailable,
    });
  }

  /** The result of `work`, or the worker's failure if that comes first. */
  whileWorkerLives<T>(work: Promise<T>): Promise<T> {
    return this.worker === undefined ? work : Promise.race([work, this.worker.failed]);
  }

  /** From now on `strike` closes the client and nothing else. */
  keep(): Kept {
    this.kept = true;
    this.worker?.release();
    return {
      redis: this.client.target.label,
      prefix: this.prefix,
      workerPid: this.worker?.pid ?? -1,
      dir: this.dir,
      stateDir: this.isPrivate ? this.dir : null,
    };
  }

  /** Ends everything in order: the worker, the keys, Redis, the directory. */
  async strike(): Promise<void> {
    if (!this.kept) await this.worker?.stop();
    // The client counts what it has submitted until it is closed, so its keys are removed after that.
    const broom = !this.kept && !this.isPrivate ? await this.broom() : undefined;
    await this.opened?.close();
    if (broom !== undefined) {
      await removeKeys(broom, this.prefix);
      await closeClient(broom);
    }
    if (!this.kept) {
      if (this.isPrivate) await stopEmbedded(this.dir);
      this.removeDirs();
    }
    process.off('exit', this.atExit);
  }

  private async broom(): Promise<RedisClient | undefined> {
    return this.opened === undefined ? undefined : connectLike(this.opened.redis, 'command');
  }

  private get log(): string {
    return join(this.dir, 'worker.log');
  }

  /** The same without waiting: a second Ctrl-C, a failure no one caught. */
  private strikeNow(): void {
    if (this.kept) return;
    this.worker?.kill();
    try {
      const pid = Number(readFileSync(embeddedPaths(this.dir).pidFile, 'utf8'));
      if (pid > 1) process.kill(pid, 'SIGKILL');
    } catch {
      // No server of ours runs.
    }
    this.removeDirs();
  }

  private removeDirs(): void {
    const { dir, socket } = embeddedPaths(this.dir);
    // A long path has its socket in a directory elsewhere.
    if (dirname(socket) !== dir) rmSync(dirname(socket), { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** @throws InferError TMP_DIR (exit 69), as in a container whose file system is read-only. */
function throwAwayDir(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'infer-demo-'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InferError('TMP_DIR', `no directory can be made in ${tmpdir()} (${code})`, {
      hint: 'name a directory that may be written to: TMPDIR=/path',
      exitCode: ExitCode.Unavailable,
      cause: error,
    });
  }
}
