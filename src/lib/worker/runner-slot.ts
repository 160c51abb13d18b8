import { setTimeout as delay } from 'node:timers/promises';
import { InferError, messageOf } from '../core/errors.js';
import type {
  LoadedModel,
  Runner,
  RunnerOptions,
  RunReply,
  RunRequest,
  StartRunner,
} from '../model/runner.js';
import type { Logger } from '../telemetry/logger.js';

const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 30_000;
/** A runner that lived this long was healthy: the next crash restarts at once again. */
const HEALTHY_MS = 30_000;

/**
 * One runner process and its successors. A runner that dies is replaced with its models loaded,
 * after a pause that doubles while they keep dying young.
 */
export class RunnerSlot {
  private runner: Runner | undefined;
  private startedAt = 0;
  private restartMs = 0;
  private stopped = false;
  models = new Map<string, LoadedModel>();

  constructor(
    readonly index: number,
    private readonly start: StartRunner,
    private readonly options: RunnerOptions,
    private readonly names: readonly string[],
    private readonly log: Logger,
  ) {}

  /** Starts the first runner; errors (no GPU, corrupt model) reach the caller. */
  async open(): Promise<LoadedModel[]> {
    const runner = await this.start(this.options);
    this.runner = runner;
    this.startedAt = Date.now();
    const loaded: LoadedModel[] = [];
    try {
      for (const name of this.names) loaded.push(await runner.load(name));
    } catch (error) {
      await runner.kill();
      this.runner = undefined;
      throw error;
    }
    this.models = new Map(loaded.map((model) => [model.signature.name, model]));
    return loaded;
  }

  deviceOf(model: string): string {
    return this.models.get(model)?.device ?? 'cpu';
  }

  get pid(): number | undefined {
    return this.runner?.pid;
  }

  /** Runs a micro-batch; a dead runner is replaced first. */
  async run(request: RunRequest): Promise<RunReply> {
    const runner = this.runner ?? (await this.revive());
    try {
      return await runner.run(request);
    } catch (error) {
      if (error instanceof InferError && error.code === 'RUNNER_DIED') this.buried(runner, error);
      throw error;
    }
  }

  async memory(): Promise<number> {
    return (await this.runner?.memory().catch(() => 0)) ?? 0;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.runner?.stop();
  }

  /** Ends it even in the middle of a run. */
  async kill(): Promise<void> {
    this.stopped = true;
    await this.runner?.kill();
  }

  private buried(runner: Runner, error: Error): void {
    if (this.runner === runner) this.runner = undefined;
    const young = Date.now() - this.startedAt < HEALTHY_MS;
    this.restartMs = young ? Math.min(Math.max(this.restartMs * 2, RESTART_MIN_MS), RESTART_MAX_MS) : 0;
    if (!this.stopped) this.log.error({ runner: this.index, reason: messageOf(error) }, 'runner died');
  }

  private async revive(): Promise<Runner> {
    for (;;) {
      if (this.stopped) throw new InferError('RUNNER_DIED', 'the worker is stopping');
      if (this.restartMs > 0) await delay(this.restartMs);
      try {
        const started = Date.now();
        await this.open();
        this.log.info({ runner: this.index, pid: this.pid, ms: Date.now() - started }, 'runner restarted');
        return this.runner as unknown as Runner;
      } catch (error) {
        this.restartMs = Math.min(Math.max(this.restartMs * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        this.log.error(
          { runner: this.index, reason: messageOf(error), retryMs: this.restartMs },
          'runner does not start, will try again',
        );
      }
    }
  }
}
