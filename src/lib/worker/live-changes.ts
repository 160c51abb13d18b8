import { InferError } from '../core/errors.js';
import { Turns } from '../core/turns.js';
import type { LoadedModel } from '../model/runner.js';
import type { ModelSignature } from '../model/signature.js';
import type { BatchSizes } from './batch-sizes.js';
import type { Dispatcher } from './dispatcher.js';
import type { RunnerPool } from './runner-pool.js';
import type { ServedModels } from './served-models.js';

/** What of a worker can change while it works. */
export interface ChangeableParts {
  pool: RunnerPool;
  dispatcher: Dispatcher;
  models: ServedModels;
  sizes: BatchSizes;
  /** More, or jobs of other models, may be taken now. */
  freeRoom(): void;
}

/** Changes to a working worker, one at a time, without losing or repeating a job. */
export class LiveChanges {
  private readonly turns = new Turns();

  constructor(private readonly parts: ChangeableParts) {}

  /**
   * So many runs at a time. More: each runner serves as soon as its models are loaded. Fewer: a
   * runner ends when its run is over. Answers the number there is then; the threads of a runner stay.
   * @throws InferError why a runner does not start; those started before it stay.
   */
  setConcurrency(wanted: number): Promise<number> {
    return this.turns.take(async () => {
      const { pool, dispatcher } = this.parts;
      while (pool.slots.length < wanted) {
        dispatcher.serve(await pool.grow());
        this.parts.freeRoom();
      }
      const surplus = pool.shrink(wanted, (slot) => dispatcher.isRunning(slot));
      await Promise.all(
        surplus.map(async (slot) => {
          await dispatcher.retire(slot);
          await pool.end(slot);
        }),
      );
      return pool.slots.length;
    });
  }

  /** Of the models that are served now. */
  get signatures(): Iterable<ModelSignature> {
    return this.parts.models.signatures.values();
  }

  /** Rows of one run at most; null = learned from run times. */
  setMaxBatch(rows: number | null): void {
    this.parts.sizes.limitTo(rows);
    this.parts.freeRoom();
  }

  /**
   * Loads a model, or another version of one, and serves it when every runner has it. Jobs taken
   * before run on the version they were checked against.
   * @param version the highest when not given.
   * @throws InferError why it does not load; what was served before is served on.
   */
  load(model: string, version: number | undefined): Promise<LoadedModel> {
    return this.turns.take(async () => {
      const { pool, models, sizes } = this.parts;
      const served = await pool.load(model, version);
      sizes.add(served.session, served.loaded.signature);
      models.serve({ ...served, chosen: version !== undefined });
      this.parts.freeRoom();
      return served.loaded;
    });
  }

  /**
   * Takes no more jobs of a model, and gives it up when those at hand have ended.
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

  /** The same checks without the deed. */
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
      throw new InferError('LAST_MODEL', `${model} is the last model it serves: every job would fail`, {
        hint: 'infer control drain ends the worker; --force unloads the model all the same',
      });
    }
  }
}
