import path from 'node:path';
import { type Clock, monotonicClock } from '../core/clock.js';
import type { InferError } from '../core/errors.js';
import { stampsAtRest } from '../model/fingerprint.js';
import { isModelFault } from '../model/model-faults.js';
import type { SessionSpec } from './session-spec.js';

/** How often the files of refused models are looked at: one `stat` each. */
const LOOK_MS = 1000;
/** Pause between two tries where the files are the same, doubled each time: a network disk may be back, or memory be free. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 10 * 60_000;

interface Refusal {
  error: InferError;
  /** What its files were before it was refused; undefined where they were being written. */
  stamps: string | undefined;
  pauseMs: number;
  /** By the clock. */
  nextAt: number;
}

export interface RefusedModelsParts {
  modelsDir: string;
  /** Asked again at each look. */
  wanted: () => readonly SessionSpec[];
  load: (spec: SessionSpec) => Promise<unknown>;
  /** One of them is loaded now. */
  onLoaded: () => void;
  /** [of this process] */
  clock?: Clock;
  /** Milliseconds between two looks [1,000]. */
  lookMs?: number;
}

/**
 * The models that a runner should hold and could not load. A try holds up the runner, and hashes gigabytes where files
 * have changed. So the next one is made when the files are other ones, and at rest; without that only where something else
 * than their content was the reason, ever less often.
 */
export class RefusedModels {
  private readonly refusals = new Map<string, Refusal>();
  /** Those of the runner before this one. */
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

  /** Why it was refused last. */
  get(session: string): InferError | undefined {
    return this.refusals.get(session)?.error;
  }

  /** @param stamps what `look` answered before it was tried. */
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

  /** A new runner tries all models, but those that `stillRefuses` knows. */
  beginAgain(): void {
    this.former = new Map(this.refusals);
    this.refusals.clear();
  }

  /** Refuses a model as the runner before did where its files are the same: hashing them again would tell nothing new. */
  stillRefuses(spec: SessionSpec, stamps: string | undefined): boolean {
    const refusal = this.former.get(spec.session);
    if (refusal === undefined || stamps !== refusal.stamps || !isDecided(spec, refusal)) return false;
    this.refusals.set(spec.session, refusal);
    return true;
  }

  /** Tells whether a model's files are those of another look; undefined while one is being written. */
  async look({ model, version, expect }: SessionSpec): Promise<string | undefined> {
    // Nothing of it was loaded yet: which files it has is not known.
    if (expect === undefined) return '';
    const dir = path.join(this.parts.modelsDir, model);
    const named = expect.files.map(({ label }) => path.join(dir, label));
    // By name and by place, since links may lead elsewhere; directories tell of rights that are given back.
    const dirs = [this.parts.modelsDir, dir, path.join(dir, String(version))];
    return stampsAtRest([...dirs, ...named, ...expect.files.map((file) => file.path)]);
  }

  /** Tries again from now on what is refused. */
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
        // A runner that died meanwhile has a successor, which tries by itself.
        if (isModelFault(error) && this.has(spec.session)) this.set(spec.session, error, stamps);
      }
    }
  }

  private isDue(spec: SessionSpec, refusal: Refusal, now: string): boolean {
    if (refusal.stamps !== now) return true;
    return !isDecided(spec, refusal) && this.clock.now() >= refusal.nextAt;
  }
}

/** Whether the content of its files was the reason, so that the same files are refused again. */
function isDecided({ expect }: SessionSpec, { error, stamps }: Refusal): boolean {
  return error.code === 'MODEL_CHANGED' && expect !== undefined && stamps !== undefined;
}
