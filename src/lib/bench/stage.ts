import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InferClient } from '../client/client.js';
import type { LoadedSettings } from '../config/load.js';
import { InferError } from '../core/errors.js';
import { newId } from '../core/job.js';
import { pollUntil } from '../core/poll.js';
import { part, Services } from '../core/service.js';
import { packageRoot } from '../model/package-root.js';
import { listWorkers } from '../queue/registry.js';
import type { WorkerRecord } from '../queue/types.js';
import { type ConnectionSettings, closeClient, connectLike, embeddedTargetOf } from '../redis/connect.js';
import { embeddedPaths, startEmbedded, stopEmbedded } from '../redis/embedded.js';
import { connectionSettings } from '../redis/from-settings.js';
import { removeKeys } from './remove-keys.js';
import { startWorker, type WorkerProcess } from './worker-process.js';

/** What is kept when a demo ends with `--keep`. */
export interface Kept {
  redis: string;
  prefix: string;
  workerPid: number;
  /** The temporary directory, containing worker.log. */
  dir: string;
  /** Directory of the private Redis; null when the demo used a given one. */
  stateDir: string | null;
}

/** The worker's start includes loading ONNX Runtime from a cold disk. */
const WORKER_START_MS = 60_000;
const LOOK_MS = 25;
const RESULT_TTL_S = 3600;

/**
 * Redis, a worker and a client for one demo, and their shutdown. Without a Redis in the settings it uses its
 * own in a temporary directory; otherwise it uses its own key prefix in the given one. However the process
 * ends (except by SIGKILL), nothing is left behind.
 */
export class Stage {
  readonly dir = throwAwayDir();
  /** True when the demo has its own Redis. */
  readonly isPrivate: boolean;
  readonly prefix: string;
  private readonly redis: ConnectionSettings;
  private worker: WorkerProcess | undefined;
  private readonly opening = part(
    'client',
    () => this.openClient(),
    (client) => this.closeClient(client),
  );
  /** In opening order; with `keep` only the client is closed. */
  private readonly all = new Services('stage', [
    part(
      'end of the process',
      () => process.once('exit', this.atExit),
      () => process.off('exit', this.atExit),
    ),
    part(
      'directory and server',
      () => undefined,
      () => this.unlessKept(() => this.removeServer()),
    ),
    this.opening,
    part(
      'worker',
      () => undefined,
      () => this.unlessKept(() => this.worker?.stop()),
    ),
  ]);
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
  }

  get client(): InferClient {
    return this.opening.value;
  }

  async openRedis(): Promise<InferClient> {
    await this.all.start();
    return this.client;
  }

  private async openClient(): Promise<InferClient> {
    if (this.isPrivate) await startEmbedded(this.dir);
    const modelsDir = join(packageRoot(), 'models');
    const { prefix, redis } = this;
    return InferClient.open({ prefix, modelsDir, resultTtl: RESULT_TTL_S, redis });
  }

  /** Starts the worker and waits until it has loaded its model. */
  async openWorker(args: string[], signal: AbortSignal): Promise<WorkerRecord> {
    const { prefix, client } = this;
    const models = join(packageRoot(), 'models');
    const worker = startWorker({
      args: [...args, '--prefix', prefix, '--models', models],
      redisUrl: this.redis.url as string,
      log: this.log,
    });
    this.worker = worker;
    return pollUntil(
      async () => (await listWorkers(client.redis, prefix)).at(0),
      { everyMs: LOOK_MS, timeoutMs: WORKER_START_MS, signal, failed: worker.failed },
      () => {
        throw new InferError('DEMO_WORKER', 'the worker was not ready within a minute', {
          hint: 'infer worker, to see what it waits for',
        });
      },
    );
  }

  /** The result of `work`, or the worker's failure if that comes first. */
  whileWorkerLives<T>(work: Promise<T>): Promise<T> {
    return this.worker === undefined ? work : Promise.race([work, this.worker.failed]);
  }

  /** From now on `strike` only closes the client. */
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

  /** Shuts down everything in order: the worker, the client, the keys, Redis, the directory. */
  strike(): Promise<void> {
    return this.all.stop();
  }

  private async unlessKept(end: () => unknown): Promise<void> {
    if (!this.kept) await end();
  }

  private async closeClient(client: InferClient): Promise<void> {
    await client.close();
    if (this.kept || this.isPrivate) return;
    // The client counts its submits until it is closed, so its keys are removed afterwards.
    const broom = await connectLike(client.redis, 'command');
    await removeKeys(broom, this.prefix);
    await closeClient(broom);
  }

  private async removeServer(): Promise<void> {
    if (this.isPrivate) await stopEmbedded(this.dir);
    this.removeDirs();
  }

  private get log(): string {
    return join(this.dir, 'worker.log');
  }

  /** The same without waiting: for a second Ctrl-C, or an uncaught failure. */
  private strikeNow(): void {
    if (this.kept) return;
    this.worker?.kill();
    try {
      const pid = Number(readFileSync(embeddedPaths(this.dir).pidFile, 'utf8'));
      if (pid > 1) process.kill(pid, 'SIGKILL');
    } catch {
      // No server of ours is running.
    }
    this.removeDirs();
  }

  private removeDirs(): void {
    const { dir, socket } = embeddedPaths(this.dir);
    // If the path is too long, the socket is in another directory.
    if (dirname(socket) !== dir) rmSync(dirname(socket), { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** @throws InferError TMP_DIR (exit 69), for example in a container with a read-only file system. */
function throwAwayDir(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'infer-demo-'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InferError('TMP_DIR', `no directory can be made in ${tmpdir()} (${code})`, {
      hint: 'name a directory that may be written to: TMPDIR=/path',
      cause: error,
    });
  }
}
