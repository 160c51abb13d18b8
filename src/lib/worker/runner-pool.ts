import { InferError, messageOf } from '../core/errors.js';
import type { LoadedModel } from '../model/runner.js';
import type { Logger } from '../telemetry/logger.js';
import type { RunnerSlot } from './runner-slot.js';
import type { Opening, SessionSpec } from './session-spec.js';

/** Maximum number of broken models named in one error. */
const MAX_NAMED = 5;

/** The runners of a worker, all with the same models. */
export class RunnerPool {
  /** Those that receive work. */
  readonly slots: RunnerSlot[] = [];
  /** Includes those that are starting, and those that will end after their run. */
  private readonly alive = new Set<RunnerSlot>();
  private stopped = false;
  private wanted: readonly SessionSpec[];
  private made = 0;
  private loads = 0;
  /** Models that could not be loaded at the start, by name, with the reason. */
  readonly broken = new Map<string, InferError>();
  /** Time from the start of the last runner until its models were loaded. */
  startMs = 0;

  /** @param make creates a slot that loads what `wanted` returns when its runner starts. */
  constructor(
    private readonly make: (index: number, wanted: () => readonly SessionSpec[]) => RunnerSlot,
    models: readonly string[],
    private readonly log: Logger,
  ) {
    this.wanted = models.map((model) => ({ model, session: model }));
  }

  /**
   * Starts `size` runners, one after the other, so that a model that cannot load is reported once. It is then
   * left out (`broken`), unless `strict`. A model that only a later runner cannot load, because its files
   * changed meanwhile, is served by the others and returned like them.
   * @throws InferError the problem with a model if `strict` or if there is no other model, and whatever
   *   prevents a runner from starting.
   */
  async open(size: number, strict = true): Promise<LoadedModel[]> {
    while (this.slots.length < size) {
      const lenient = this.slots.length === 0 ? 'first' : 'able';
      await this.grow(strict ? 'all' : lenient);
    }
    return [...(this.slots[0]?.loaded ?? [])];
  }

  /** The sessions that every runner should hold. */
  get sessions(): readonly SessionSpec[] {
    return this.wanted;
  }

  /** Whether some runner that receives work holds a session. */
  holds(session: string): boolean {
    return this.slots.some((slot) => slot.has(session));
  }

  /** Whether a session can be run: some runner holds it, or will once it has restarted. */
  mayRun(session: string): boolean {
    return this.slots.some((slot) => !slot.refused.has(session));
  }

  /** Stops running a session in all runners, for this reason. */
  withdraw(session: string, why: InferError): void {
    for (const slot of this.slots) {
      slot.withdraw(session, why).catch((error: unknown) => {
        this.log.debug({ session, reason: messageOf(error) }, 'session not released');
      });
    }
  }

  /** Adds a runner with its models loaded; if that fails, nothing is left of it. */
  async grow(opening: Opening = 'all'): Promise<RunnerSlot> {
    if (this.stopped) throw new InferError('WORKER_ENDS', 'the worker is ending');
    const slot = this.make(this.made++, () => this.wanted);
    this.alive.add(slot);
    const begun = performance.now();
    try {
      await slot.open(opening);
      if (opening === 'first') this.leaveOut(slot);
    } catch (error) {
      this.alive.delete(slot);
      throw error;
    }
    this.startMs = performance.now() - begun;
    this.slots.push(slot);
    this.pin(slot);
    return slot;
  }

  /**
   * Continues without the models that the first runner could not load. @throws InferError when none is left.
   */
  private leaveOut(slot: RunnerSlot): void {
    if (slot.refused.size === 0) return;
    for (const { model, session } of this.wanted) {
      const why = slot.refused.get(session);
      if (why !== undefined) this.broken.set(model, why);
    }
    this.wanted = this.wanted.filter(({ session }) => !slot.refused.has(session));
    slot.refused.clear();
    if (this.wanted.length > 0) return;
    void slot.kill();
    throw noneLeft(this.broken);
  }

  /** Every later runner loads exactly the files that the first one loaded. */
  private pin(slot: RunnerSlot): void {
    this.wanted = this.wanted.map((spec) => {
      const loaded = slot.loadedAs(spec.session);
      if (spec.expect !== undefined || loaded === undefined) return spec;
      return { ...spec, version: loaded.signature.version, expect: loaded.content };
    });
  }

  /**
   * Removes runners until `size` are left: idle ones first and, among these, the newest. The caller ends
   * them.
   */
  shrink(size: number, isBusy: (slot: RunnerSlot) => boolean): RunnerSlot[] {
    const newest = [...this.slots].reverse();
    const order = [...newest.filter((slot) => !isBusy(slot)), ...newest.filter(isBusy)];
    const out = order.slice(0, Math.max(0, this.slots.length - size));
    for (const slot of out) this.slots.splice(this.slots.indexOf(slot), 1);
    return out;
  }

  /** Ends a runner that was removed. */
  async end(slot: RunnerSlot): Promise<void> {
    await slot.stop();
    this.alive.delete(slot);
  }

  /**
   * Loads a model (again) in every runner, in addition to its others; the other runners keep working
   * meanwhile.
   * @throws InferError from the first runner that could not; none of them has it then.
   */
  async load(model: string, version: number | undefined): Promise<{ session: string; loaded: LoadedModel }> {
    const session = `${model}~${++this.loads}`;
    let loaded: LoadedModel | undefined;
    try {
      // From the start again: meanwhile, a runner may have been replaced or added.
      for (;;) {
        const without = this.slots.find((slot) => !slot.has(session));
        if (without === undefined) break;
        const next: LoadedModel = await without.load({
          model,
          session,
          version: loaded?.signature.version ?? version,
          expect: loaded?.content,
        });
        loaded ??= next;
      }
    } catch (error) {
      this.unload(session);
      throw error;
    }
    if (loaded === undefined) throw new Error('a worker without runners');
    const { signature, content } = loaded;
    this.wanted = [...this.wanted, { model, session, version: signature.version, expect: content }];
    this.broken.delete(model);
    return { session, loaded };
  }

  /** Unloads a session in every runner. */
  unload(session: string): void {
    this.wanted = this.wanted.filter((spec) => spec.session !== session);
    for (const slot of this.slots) {
      slot.unload(session).catch((error: unknown) => {
        // A runner that died no longer has it anyway.
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

  /** Ends all, even in the middle of a run. */
  async kill(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.alive].map((slot) => slot.kill()));
  }
}

/** The only model's own fault, or all of them combined in one error. */
function noneLeft(broken: ReadonlyMap<string, InferError>): InferError {
  const errors = [...broken.values()];
  const [first] = errors;
  if (first !== undefined && errors.length === 1) return first;
  const shown = errors.slice(0, MAX_NAMED).map((error) => error.message);
  const more = errors.length > MAX_NAMED ? [`and ${errors.length - MAX_NAMED} more`] : [];
  return new InferError(
    'NONE_LOADED',
    `none of ${errors.length} models can be loaded: ${[...shown, ...more].join('; ')}`,
    {
      hint: first?.hint ?? 'infer models shows what is wrong with each',
    },
  );
}
