import { setTimeout as delay } from 'node:timers/promises';
import type { LoadedSettings } from '../config/load.js';
import { messageOf } from '../core/errors.js';
import { type ConnectionEvent, closeClient, connect, resolveTarget } from '../redis/connect.js';
import { startEmbedded, stopEmbedded } from '../redis/embedded.js';
import { connectionSettings } from '../redis/from-settings.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { isUnused } from './redis-unused.js';
import { RestartPauses } from './restart-pauses.js';
import { REDIS, type Tell } from './types.js';

/**
 * The Redis of `infer up`: the one that the settings find, or infer's own, which is started if it does not
 * run, and again when it ends. It is left running: waiting jobs and results are in it.
 */
export class RedisKeep {
  private readonly over = new AbortController();
  private restarting: Promise<void> | undefined;
  private lost = false;

  private constructor(
    readonly target: RedisTarget,
    private readonly stateDir: string,
    private readonly tell: Tell,
  ) {}

  /** Whether it was started here. */
  get started(): boolean {
    return this.target.started === true;
  }

  private connection: RedisClient | undefined;

  /** @throws InferError REDIS_… (69, 77) */
  static async open(loaded: LoadedSettings, tell: Tell, signal: AbortSignal): Promise<RedisKeep> {
    const settings = connectionSettings(loaded, true);
    const target = await resolveTarget(settings);
    const keep = new RedisKeep(target, loaded.values.stateDir, tell);
    const onState = (event: ConnectionEvent): void => keep.onState(event);
    // A server that was started here answers at once, and is then stopped again by `abandon`.
    const unwanted = keep.started ? undefined : signal;
    keep.connection = await connect(target, 'worker', settings, { onState, signal: unwanted });
    return keep;
  }

  get client(): RedisClient {
    if (this.connection === undefined) throw new Error('Redis is not connected yet');
    return this.connection;
  }

  /** Whether it answers, as far as is known. */
  get answers(): boolean {
    return !this.lost;
  }

  /** Closes the connection; the server keeps running. */
  async close(): Promise<void> {
    this.over.abort();
    await closeClient(this.client);
    await this.restarting;
  }

  /**
   * The same after a failed start: a server that was started here is stopped, unless someone uses it by now
   * or it holds work.
   */
  async abandon(): Promise<void> {
    const unused = this.started && (await isUnused(this.client));
    await this.close();
    if (!unused) return;
    await stopEmbedded(this.stateDir);
    this.tell({ event: 'stopped', part: REDIS, killed: false });
  }

  private onState(event: ConnectionEvent): void {
    if (event.state === 'back') {
      this.lost = false;
      this.tell({ event: 'back', part: REDIS, downMs: event.downMs });
    } else if (event.state === 'lost') {
      this.lost = true;
      const reason = event.error?.message ?? 'the connection was closed';
      this.tell({ event: 'lost', part: REDIS, reason });
      if (this.target.source === 'embedded') this.restarting ??= this.restart();
    }
  }

  /** Starts infer's own server again, until it answers or this ends. */
  private async restart(): Promise<void> {
    const pauses = new RestartPauses();
    const { signal } = this.over;
    while (this.lost && !signal.aborted) {
      const retryMs = pauses.next(0);
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
      if (!this.lost || signal.aborted) break;
      try {
        const { pid, alreadyRunning } = await startEmbedded(this.stateDir);
        if (!alreadyRunning) this.tell({ event: 'started', part: REDIS, pid, detail: this.target.label });
      } catch (error) {
        this.tell({ event: 'ended', part: REDIS, reason: messageOf(error), lines: [], retryMs });
      }
    }
    this.restarting = undefined;
  }
}
