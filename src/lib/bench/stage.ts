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
  private worker: WorkerProcess | undefined;
  private readonly opening = part(
    'client',
    () => this.openClient(),
    (client) => this.closeClient(client),
  );
  /** In the order of opening; with `keep` only the client is closed. */
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
      () =>
        new InferError('DEMO_WORKER', 'the worker did not get ready within a minute', {
          hint: 'infer worker, to see what it waits for',
        }),
    );
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

  /** Ends everything in order: the worker, the client, the keys, Redis, the directory. */
  strike(): Promise<void> {
    return this.all.stop();
  }

  private async unlessKept(end: () => unknown): Promise<void> {
    if (!this.kept) await end();
  }

  private async closeClient(client: InferClient): Promise<void> {
    await client.close();
    if (this.kept || this.isPrivate) return;
    // It counts what it has submitted until it is closed, so its keys are removed after that.
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
      cause: error,
    });
  }
}
