import { InferError, messageOf } from '../core/errors.js';
import type { LoadedModel } from '../model/runner.js';
import type { Logger } from '../telemetry/logger.js';
import type { RunnerSlot, SessionSpec } from './runner-slot.js';

/** The runners of a worker, all with the same models. */
export class RunnerPool {
  /** Those that get work. */
  readonly slots: RunnerSlot[] = [];
  /** With those that start, and those that end after their run. */
  private readonly alive = new Set<RunnerSlot>();
  private stopped = false;
  private wanted: readonly SessionSpec[];
  private made = 0;
  private loads = 0;
  /** What the last runner took from its start to its models being loaded. */
  startMs = 0;

  /** @param make a slot that loads whatever `wanted` answers when its runner starts. */
  constructor(
    private readonly make: (index: number, wanted: () => readonly SessionSpec[]) => RunnerSlot,
    models: readonly string[],
    private readonly log: Logger,
  ) {
    this.wanted = models.map((model) => ({ model, session: model }));
  }

  /** Starts `size` runners, one after the other: a model that cannot load should say so once. */
  async open(size: number): Promise<LoadedModel[]> {
    let models: LoadedModel[] = [];
    while (this.slots.length < size) models = [...(await this.grow()).loaded];
    return models;
  }

  /** One more runner with its models loaded; where that fails nothing is left of it. */
  async grow(): Promise<RunnerSlot> {
    if (this.stopped) throw new InferError('WORKER_ENDS', 'the worker is ending');
    const slot = this.make(this.made++, () => this.wanted);
    this.alive.add(slot);
    const begun = performance.now();
    try {
      await slot.open();
    } catch (error) {
      this.alive.delete(slot);
      throw error;
    }
    this.startMs = performance.now() - begun;
    this.slots.push(slot);
    return slot;
  }

  /** Takes runners out until `size` are left: idle ones first, of these the newest. The caller ends them. */
  shrink(size: number, isBusy: (slot: RunnerSlot) => boolean): RunnerSlot[] {
    const newest = [...this.slots].reverse();
    const order = [...newest.filter((slot) => !isBusy(slot)), ...newest.filter(isBusy)];
    const out = order.slice(0, Math.max(0, this.slots.length - size));
    for (const slot of out) this.slots.splice(this.slots.indexOf(slot), 1);
    return out;
  }

  /** Ends a runner that was taken out. */
  async end(slot: RunnerSlot): Promise<void> {
    await slot.stop();
    this.alive.delete(slot);
  }

  /**
   * Loads a model (again) in every runner, beside what it has; the others go on meanwhile.
   * @throws InferError why the first of them could not; none of them has it then.
   */
  async load(model: string, version: number | undefined): Promise<{ session: string; loaded: LoadedModel }> {
    const session = `${model}~${++this.loads}`;
    let loaded: LoadedModel | undefined;
    try {
      // Again from the front: a runner may have been replaced, or one more have come, meanwhile.
      for (;;) {
        const without = this.slots.find((slot) => !slot.has(session));
        if (without === undefined) break;
        const next = await without.load({ model, session, version: loaded?.signature.version ?? version });
        loaded ??= next;
      }
    } catch (error) {
      this.unload(session);
      throw error;
    }
    if (loaded === undefined) throw new Error('a worker without runners');
    this.wanted = [...this.wanted, { model, session, version: loaded.signature.version }];
    return { session, loaded };
  }

  /** Gives a session up in every runner. */
  unload(session: string): void {
    this.wanted = this.wanted.filter((spec) => spec.session !== session);
    for (const slot of this.slots) {
      slot.unload(session).catch((error: unknown) => {
        // A runner that died has forgotten it anyway.
        this.log.debug({ session, reason: messageOf(error) }, 'session not released');
      });
    }
  }

  /** Resident bytes of all runners. */
  async memory(): Promise<number> {
    const bytes = await Promise.all([...this.alive].map((slot) => slot.memory()));
    return bytes.reduce((sum, one) => sum + one, 0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.alive].map((slot) => slot.stop()));
  }

  /** Ends all, also in the middle of a run. */
  async kill(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.alive].map((slot) => slot.kill()));
  }
}
