import { type ErrorCode, hasTrait } from '../core/error-table.js';
import { InferError, messageOf } from '../core/errors.js';
import { type HostTime, hostTime, sleep } from '../core/host-time.js';
import { Turns } from '../core/turns.js';
import { isModelFault } from '../model/model-faults.js';
import type {
  HandedOver,
  HandOverEvents,
  LoadedModel,
  Runner,
  RunnerOptions,
  RunReply,
  RunRequest,
  StartRunner,
} from '../model/runner.js';
import type { Logger } from '../telemetry/logger.js';
import { RefusedModels } from './refused-models.js';
import { RunWatch } from './run-watch.js';
import { RunnerHealth } from './runner-health.js';
import { endedProcess, loadInto, type Opening, type SessionSpec, unserved } from './session-spec.js';

const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 30_000;
/**
 * Deaths without a good run in between, after which restarts slow down. Isolating one crashing row of a
 * 256-row chunk takes about ten.
 */
const FREE_DEATHS = 12;

/** Runs that were ended on a user's behalf: nothing is wrong with the runner. */
const REPLACED: Readonly<Partial<Record<ErrorCode, readonly ['info' | 'warn', string]>>> = {
  RUN_ABORTED: ['info', 'runner replaced: a job in its run was cancelled'],
  TIME_LIMIT: ['warn', 'runner replaced: a job in its run reached its time limit'],
  RUNNER_BROKEN: [
    'warn',
    'runner replaced: different jobs failed in it one after another; a handler may have broken its process',
  ],
};

function backOff(times: number): number {
  return Math.min(RESTART_MIN_MS * 2 ** times, RESTART_MAX_MS);
}

/**
 * One runner process and its replacements. A runner that dies is replaced with its models loaded, after a
 * pause that doubles while they keep dying soon after their start.
 */
export class RunnerSlot {
  private runner: Runner | undefined;
  /** Number since the last good run. */
  private deaths = 0;
  private readonly health = new RunnerHealth();
  private restartMs = 0;
  private stopped = false;
  /** A runner that has not finished loading its models. */
  private loading: Runner | undefined;
  private reviving: Promise<Runner> | undefined;
  private readonly watch = new RunWatch();
  /** By session. */
  private models = new Map<string, LoadedModel>();
  /** Sessions that its runner should hold but could not load, and why. */
  readonly refused: RefusedModels;
  /** Called when the models it holds may have changed. */
  onModels: (() => void) | undefined;
  /**
   * Serialises runs and loads: a load would count as a run's time, and its process might be killed for it.
   */
  private readonly turns = new Turns();
  constructor(
    readonly index: number,
    private readonly start: StartRunner,
    private readonly options: RunnerOptions,
    /** Called again while models load: what is wanted may change meanwhile. */
    private readonly wanted: () => readonly SessionSpec[],
    private readonly log: Logger,
    private readonly time: HostTime = hostTime,
  ) {
    this.refused = new RefusedModels({
      modelsDir: options.modelsDir,
      wanted,
      load: (spec) => this.load(spec),
      onLoaded: () => this.onModels?.(),
    });
  }

  /** Starts the first runner; errors (no GPU, corrupt model) are thrown or recorded in `refused`. */
  async open(opening: Opening = 'all'): Promise<LoadedModel[]> {
    this.refused.beginAgain();
    let runner = await this.start(this.options);
    const loaded = new Map<string, LoadedModel>();
    try {
      for (;;) {
        this.loading = runner;
        // Removed while its replacement was starting, which would load models for nothing: stop.
        if (this.stopped) break;
        const next = this.wanted().find(({ session }) => !loaded.has(session) && !this.refused.has(session));
        if (next === undefined) break;
        const stamps = opening === 'able' ? await this.refused.look(next) : undefined;
        if (this.refused.stillRefuses(next, stamps)) continue;
        try {
          loaded.set(next.session, await loadInto(runner, next));
        } catch (error) {
          const died = error instanceof InferError && error.code === 'RUNNER_DIED';
          if (opening === 'all' || this.stopped) throw error;
          if (isModelFault(error)) this.refused.set(next.session, error, stamps);
          else if (opening === 'first' && died) {
            this.refused.set(next.session, endedProcess(next.model, error));
            await runner.kill();
            runner = await this.start(this.options);
            loaded.clear();
          } else throw error;
        }
      }
      if (this.stopped) throw new InferError('RUNNER_DIED', 'the worker is stopping');
    } catch (error) {
      await runner.kill();
      throw error;
    } finally {
      this.loading = undefined;
    }
    this.models = loaded;
    this.runner = runner;
    this.hold(runner);
    if (opening === 'able') this.refused.retryLater();
    return [...loaded.values()];
  }

  private hold(runner: Runner): void {
    void runner.exited.then((exit) => {
      // Died while idle: no run failed, but the next one should not have to wait. A runner that was killed in
      // a run is not a death: its run says why.
      if (this.runner === runner && !this.watch.isEnding(runner))
        this.replace(runner, new InferError('RUNNER_DIED', exit.reason));
    });
  }

  /** The models its runner holds, in the order wanted. */
  get loaded(): readonly LoadedModel[] {
    return [...this.models.values()];
  }

  loadedAs(session: string): LoadedModel | undefined {
    return this.models.get(session);
  }

  has(session: string): boolean {
    return this.models.has(session);
  }

  deviceOf(session: string): string {
    return this.models.get(session)?.device ?? 'cpu';
  }

  /** Loads one more model between two runs; the loaded ones stay even if that fails. */
  load(spec: SessionSpec): Promise<LoadedModel> {
    return this.turns.take(async () => {
      const runner = this.runner ?? (await this.revive());
      const loaded = await loadInto(runner, spec);
      if (this.runner !== runner) throw new InferError('RUNNER_DIED', 'the runner died while it loaded');
      this.models.set(spec.session, loaded);
      return loaded;
    });
  }

  /** Stops running a session that it holds: its weights in memory are not what was loaded. */
  withdraw(session: string, why: InferError): Promise<void> {
    return this.turns.take(async () => {
      this.refused.set(session, why);
      const held = this.models.delete(session);
      this.onModels?.();
      this.refused.retryLater();
      if (held) await this.runner?.unload(session);
    });
  }

  /** Unloads a model between two runs. */
  unload(session: string): Promise<void> {
    return this.turns.take(async () => {
      this.refused.delete(session);
      this.health.forget(session);
      if (!this.models.delete(session)) return;
      await this.runner?.unload(session);
    });
  }

  /**
   * Records how a run of a model ended for its jobs; repeated failure replaces the runner before its next
   * run.
   */
  judge(session: string, good: boolean, failed: readonly string[]): void {
    if (good) this.health.good(session);
    else if (this.health.failed(session, failed) && this.runner !== undefined)
      this.replace(this.runner, new InferError('RUNNER_BROKEN', 'jobs failed in it one after another'));
  }

  /** Whether a run would begin immediately. */
  get isFree(): boolean {
    return this.runner !== undefined && this.turns.isFree;
  }

  /** Resolves when a run could begin: the runner is up, and nothing else is in progress in it. */
  async free(): Promise<void> {
    await this.turns.take(async () => this.runner ?? (await this.revive()));
  }

  /**
   * Milliseconds of the last run, however it ended; 0 if it did not begin. Waiting for a runner is not
   * counted.
   */
  get lastRunMs(): number {
    return this.watch.lastRunMs;
  }

  get pid(): number | undefined {
    return this.runner?.pid;
  }

  /**
   * Runs a micro-batch; a dead runner is replaced first. A run cannot be interrupted, so past `limitMs` (and
   * on `abort`) its process is killed and a new one is started immediately.
   * @throws InferError TIME_LIMIT, RUN_ABORTED, DEVICE_ERROR, MODEL_REPLACED, or the runner's error.
   */
  run(request: RunRequest, limitMs?: number): Promise<RunReply> {
    return this.turns.take(() => this.runAlone(request, limitMs));
  }

  /**
   * Sends the next micro-batch while a run is in progress. Undefined when the runner is not up or lacks the
   * model, or something else comes next in it. The returned `reply` rejects like `run`.
   */
  handOver(request: RunRequest, limitMs: number | undefined, events: HandOverEvents): HandedOver | undefined {
    const { runner } = this;
    if (runner?.handOver === undefined || !this.turns.isNext || !this.models.has(request.model))
      return undefined;
    // Not before the run in progress has been sent, nor after it was ended.
    if (!this.watch.isIn(runner) || this.watch.hasEnded(runner)) return undefined;
    let begin: (begun: true) => void = () => undefined;
    const begun = new Promise<true>((resolve) => {
      begin = resolve;
    });
    const handed = runner.handOver({ ...request, limitMs }, { ...events, onBegin: () => begin(true) });
    const ran = handed.reply.then(Boolean, () => true);
    const reply = this.turns.take(async () => {
      // Only now: the reply to the run before may arrive in the same moment, and is processed first.
      if (!(await Promise.race([begun, ran]))) return undefined;
      events.onBegin();
      return this.follow(runner, () => handed.reply, limitMs);
    });
    // Its owner may still be busy with the run before.
    reply.catch(() => undefined);
    return { permit: (until) => handed.permit(until), takeBack: () => handed.takeBack(), reply };
  }

  private async runAlone(request: RunRequest, limitMs?: number): Promise<RunReply> {
    this.watch.lastRunMs = 0;
    const runner = this.runner ?? (await this.revive());
    if (!this.models.has(request.model)) {
      const refused = this.refused.get(request.model);
      if (refused !== undefined) throw unserved(refused);
      throw new InferError('MODEL_REPLACED', 'its model was replaced or unloaded before it ran');
    }
    return this.follow(runner, () => runner.run({ ...request, limitMs }), limitMs);
  }

  /** Watches a run that has begun until its end. */
  private async follow<R>(
    runner: Runner,
    outcome: () => Promise<R>,
    limitMs: number | undefined,
  ): Promise<R> {
    try {
      const reply = await this.watch.follow(runner, outcome, limitMs);
      this.deaths = 0;
      return reply;
    } catch (error) {
      if (error instanceof InferError && hasTrait(error.code, 'ends-runner')) this.replace(runner, error);
      throw error;
    }
  }

  /** Ends the run in progress, if any, by ending its process. */
  abort(): void {
    this.watch.abort();
  }

  async memory(): Promise<number> {
    return (await this.runner?.memory().catch(() => 0)) ?? 0;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.refused.stop();
    await Promise.all([this.runner?.stop(), this.loading?.kill()]);
  }

  /** Ends it, even in the middle of a run. */
  async kill(): Promise<void> {
    this.stopped = true;
    this.refused.stop();
    await Promise.all([this.runner?.kill(), this.loading?.kill()]);
  }

  /** Replaces a dead or broken runner now, so that the new one is ready when work comes. */
  private replace(runner: Runner, cause: InferError): void {
    if (this.runner !== runner) return;
    this.runner = undefined;
    if (cause.code === 'RUNNER_DIED') this.deaths += 1;
    this.restartMs = this.deaths <= FREE_DEATHS ? 0 : backOff(this.deaths - FREE_DEATHS);
    if (this.stopped) return;
    void this.succeed(runner, cause.code).catch(() => undefined);
  }

  private async succeed(runner: Runner, code: ErrorCode): Promise<void> {
    const [{ reason }] = await Promise.all([runner.exited, runner.kill()]);
    // The process's last output is stored with the job only: it may quote its input.
    const [level, what] = REPLACED[code] ?? ['error', 'runner replaced'];
    this.log[level]({ runner: this.index, code, reason }, what);
    await this.revive();
  }

  /** The replacement runner; concurrent callers share one start. */
  private revive(): Promise<Runner> {
    this.reviving ??= this.startAgain().finally(() => {
      this.reviving = undefined;
    });
    return this.reviving;
  }

  private async startAgain(): Promise<Runner> {
    for (;;) {
      if (this.stopped) throw new InferError('RUNNER_DIED', 'the worker is stopping');
      if (this.restartMs > 0) await sleep(this.time, this.restartMs);
      try {
        const started = Date.now();
        await this.open('able');
        this.onModels?.();
        this.log.info({ runner: this.index, pid: this.pid, ms: Date.now() - started }, 'runner restarted');
        return this.runner as unknown as Runner;
      } catch (error) {
        if (this.stopped) throw error;
        this.restartMs = Math.min(Math.max(this.restartMs * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        this.log.error(
          { runner: this.index, reason: messageOf(error), retryMs: this.restartMs },
          'runner does not start, will try again',
        );
      }
    }
  }
}
