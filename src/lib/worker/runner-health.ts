/**
 * Different jobs that must fail one after another before their runner is taken for broken. Where one job in ten
 * is bad by chance, five in a row come once in 100,000 jobs and cost one load of the models; a runner that is
 * broken costs these five.
 */
const FAILED_JOBS = 5;

interface Sessions {
  failed: Set<string>;
  /** It was replaced for this model's failures, and none of its jobs has succeeded since. */
  inVain: boolean;
}

/**
 * Tells whether it may be the runner that makes jobs fail: a handler that changed a prototype or poisoned a library
 * fails every job after it. Kept by model, since others may still work, and over the runner's successors: where jobs fail in
 * a new runner too, it is their doing or the model's, and no further one is started for it.
 */
export class RunnerHealth {
  private readonly sessions = new Map<string, Sessions>();

  /** A job of this model had an output. */
  good(session: string): void {
    this.sessions.delete(session);
  }

  /** A job failed by its own run. True when the runner is to be replaced; that is answered once. */
  failed(session: string, id: string): boolean {
    const known = this.sessions.get(session) ?? { failed: new Set(), inVain: false };
    this.sessions.set(session, known);
    if (known.inVain) return false;
    known.failed.add(id);
    if (known.failed.size < FAILED_JOBS) return false;
    known.failed.clear();
    known.inVain = true;
    return true;
  }

  /** The model was given up. */
  forget(session: string): void {
    this.sessions.delete(session);
  }
}
