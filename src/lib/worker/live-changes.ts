import { InferError } from '../core/errors.js';
import { Turns } from '../core/turns.js';
import type { LoadedModel } from '../model/runner.js';
import type { ModelSignature } from '../model/signature.js';
import type { BatchSizes } from './batch-sizes.js';
import type { Dispatcher } from './dispatcher.js';
import type { RunnerPool } from './runner-pool.js';
import type { ServedModels } from './served-models.js';

/** The parts of a worker that can change while it works. */
export interface ChangeableParts {
  pool: RunnerPool;
  dispatcher: Dispatcher;
  models: ServedModels;
  sizes: BatchSizes;
  /** More jobs, or jobs of other models, may be taken now. */
  freeRoom(): void;
}

/** Changes to a running worker, one at a time, without losing or repeating a job. */
export class LiveChanges {
  private readonly turns = new Turns();

  constructor(private readonly parts: ChangeableParts) {}

  /**
   * Sets the number of concurrent runs. When raised, each new runner serves as soon as its models are loaded.
   * When lowered, a runner ends when its run is over. Returns the resulting number; the threads of a runner
   * do not change.
   * @throws InferError why a runner does not start; those started before it stay.
   */
  setConcurrency(wanted: number): Promise<number> {
    return this.turns.take(async () => {
      const { pool, dispatcher } = this.parts;
      while (pool.slots.length < wanted) {
        dispatcher.serve(await pool.grow());
        this.parts.freeRoom();
      }
      const surplus = pool.shrink(wanted, (slot) => dispatcher.runs.has(slot));
      await Promise.all(
        surplus.map(async (slot) => {
          await dispatcher.retire(slot);
          await pool.end(slot);
        }),
      );
      return pool.slots.length;
    });
  }

  /** Signatures of the models currently served. */
  get signatures(): Iterable<ModelSignature> {
    return this.parts.models.signatures.values();
  }

  /** Maximum rows in one run; null = learned from run times. */
  setMaxBatch(rows: number | null): void {
    this.parts.sizes.limitTo(rows);
    this.parts.freeRoom();
  }

  /**
   * Loads a model, or another version of one, and serves it when every runner has it. Jobs taken earlier run
   * on the version they were checked against.
   * @param version the highest when omitted.
   * @throws InferError why it does not load; the previous models are still served.
   */
  load(model: string, version: number | undefined): Promise<LoadedModel> {
    return this.turns.take(async () => {
      const { pool, models, sizes } = this.parts;
      const served = await pool.load(model, version);
      sizes.add(served.session, served.loaded.signature, served.loaded.warm);
      models.serve({ ...served, chosen: version !== undefined });
      this.parts.freeRoom();
      return served.loaded;
    });
  }

  /**
   * Takes no more jobs of a model, and unloads it when those already held have ended.
   * @throws InferError MODEL_UNKNOWN when it is not served, LAST_MODEL for the last one without `force`.
   */
  unload(model: string, force: boolean): Promise<void> {
    return this.turns.take(async () => this.unloadNow(model, force));
  }

  private unloadNow(model: string, force: boolean): void {
    const { models } = this.parts;
    this.checkUnload(model, force);
    models.forget(model);
    this.parts.freeRoom();
  }

  /** The same checks without unloading. */
  checkUnload(model: string, force: boolean): void {
    const { models } = this.parts;
    const names = models.all.map(({ loaded }) => loaded.signature.name);
    if (!names.includes(model)) {
      throw new InferError(
        'MODEL_UNKNOWN',
        `it does not serve model ${model} (it serves: ${names.join(', ')})`,
      );
    }
    if (names.length === 1 && !force) {
      throw new InferError('LAST_MODEL', `${model} is the last model it serves: it would take no more jobs`, {
        hint: 'infer control drain ends the worker; --force unloads the model anyway',
      });
    }
  }
}
