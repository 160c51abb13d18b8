import path from 'node:path';
import { type Clock, monotonicClock } from '../core/clock.js';
import type { InferError } from '../core/errors.js';
import { stampsAtRest } from '../model/fingerprint.js';
import { isModelFault } from '../model/model-faults.js';
import { modelDirOf } from '../model/survey.js';
import type { SessionSpec } from './session-spec.js';

/** How often the files of refused models are checked: one `stat` each. */
const LOOK_MS = 1000;
/**
 * Pause between two attempts with unchanged files, doubled each time: a network disk may be back, or memory
 * be free.
 */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 10 * 60_000;

interface Refusal {
  error: InferError;
  /** The stamps of its files before it was refused; undefined while they were being written. */
  stamps: string | undefined;
  pauseMs: number;
  /** In the clock's time. */
  nextAt: number;
}

export interface RefusedModelsParts {
  modelsDir: string;
  /** Called again at each look. */
  wanted: () => readonly SessionSpec[];
  load: (spec: SessionSpec) => Promise<unknown>;
  /** One of them has been loaded. */
  onLoaded: () => void;
  /** [that of this process] */
  clock?: Clock;
  /** Milliseconds between two looks [1,000]. */
  lookMs?: number;
}

/**
 * The models that a runner should hold but could not load. An attempt blocks the runner, and hashes gigabytes
 * if files have changed. The next attempt is therefore made when the files have changed and settled;
 * otherwise only if the cause was not their content, at growing intervals.
 */
export class RefusedModels {
  private readonly refusals = new Map<string, Refusal>();
  /** Those of the previous runner. */
  private former = new Map<string, Refusal>();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  private readonly clock: Clock;
  private readonly lookMs: number;

  constructor(private readonly parts: RefusedModelsParts) {
    this.clock = parts.clock ?? monotonicClock;
    this.lookMs = parts.lookMs ?? LOOK_MS;
  }

  get size(): number {
    return this.refusals.size;
  }

  has(session: string): boolean {
    return this.refusals.has(session);
  }

  /** Why it was last refused. */
  get(session: string): InferError | undefined {
    return this.refusals.get(session)?.error;
  }

  /** @param stamps what `look` returned before the attempt. */
  set(session: string, error: InferError, stamps?: string): void {
    const known = this.refusals.get(session);
    const same = known !== undefined && known.stamps === stamps;
    const pauseMs = same ? Math.min(2 * known.pauseMs, RETRY_MAX_MS) : RETRY_MIN_MS;
    this.refusals.set(session, { error, stamps, pauseMs, nextAt: this.clock.now() + pauseMs });
  }

  delete(session: string): void {
    this.refusals.delete(session);
  }

  clear(): void {
    this.refusals.clear();
  }

  /** A new runner tries all models except those that `stillRefuses` recognises. */
  beginAgain(): void {
    this.former = new Map(this.refusals);
    this.refusals.clear();
  }

  /**
   * Refuses a model, as the previous runner did, if its files are unchanged: hashing them again would tell
   * nothing new.
   */
  stillRefuses(spec: SessionSpec, stamps: string | undefined): boolean {
    const refusal = this.former.get(spec.session);
    if (refusal === undefined || stamps !== refusal.stamps || !isDecided(spec, refusal)) return false;
    this.refusals.set(spec.session, refusal);
    return true;
  }

  /**
   * A string that tells whether a model's files have changed between two looks; undefined while one is being
   * written.
   */
  async look({ model, version, expect }: SessionSpec): Promise<string | undefined> {
    // Nothing of it was loaded yet, so its files are unknown.
    if (expect === undefined) return '';
    const dir = modelDirOf(this.parts.modelsDir, model);
    const named = expect.files.map(({ label }) => path.join(dir, label));
    // By name and by location, since links may point elsewhere; the directories reveal restored permissions.
    const dirs = [this.parts.modelsDir, dir, path.join(dir, String(version))];
    return stampsAtRest([...dirs, ...named, ...expect.files.map((file) => file.path)]);
  }

  /** Starts retrying what is refused. */
  retryLater(): void {
    if (this.stopped || this.size === 0 || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      void this.retry().finally(() => {
        this.timer = undefined;
        this.retryLater();
      });
    }, this.lookMs);
    this.timer.unref();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async retry(): Promise<void> {
    for (const spec of this.parts.wanted()) {
      const refusal = this.refusals.get(spec.session);
      if (refusal === undefined || this.stopped) continue;
      const stamps = await this.look(spec);
      if (stamps === undefined || !this.isDue(spec, refusal, stamps)) continue;
      try {
        await this.parts.load(spec);
        this.refusals.delete(spec.session);
        this.parts.onLoaded();
      } catch (error) {
        // A runner that has died meanwhile has a replacement, which retries on its own.
        if (isModelFault(error) && this.has(spec.session)) this.set(spec.session, error, stamps);
      }
    }
  }

  private isDue(spec: SessionSpec, refusal: Refusal, now: string): boolean {
    if (refusal.stamps !== now) return true;
    return !isDecided(spec, refusal) && this.clock.now() >= refusal.nextAt;
  }
}

/** Whether the content of its files was the reason, so that the same files would be refused again. */
function isDecided({ expect }: SessionSpec, { error, stamps }: Refusal): boolean {
  return error.code === 'MODEL_CHANGED' && expect !== undefined && stamps !== undefined;
}
