import { expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { modelChanged } from '../../../src/lib/model/fingerprint.js';
import type { LoadedModel, Runner, StartRunner } from '../../../src/lib/model/runner.js';
import { RunnerPool } from '../../../src/lib/worker/runner-pool.js';
import { RunnerSlot } from '../../../src/lib/worker/runner-slot.js';
import { silentLogger } from '../../support/silent-logger.js';

/** Runners of which the `index`th loads a model unless `fault` returns an error. */
function poolOf(fault: (runner: number, model: string) => InferError | undefined) {
  let started = 0;
  const ended: number[] = [];
  const start: StartRunner = async () => {
    const index = started++;
    return {
      pid: index + 1,
      exited: new Promise(() => undefined),
      load: async (name: string) => {
        const error = fault(index, name);
        if (error !== undefined) throw error;
        return {
          signature: { name, version: 1 },
          content: { digest: '0', files: [] },
        } as unknown as LoadedModel;
      },
      stop: async () => void ended.push(index),
      kill: async () => void ended.push(index),
    } as unknown as Runner;
  };
  const options = { provider: 'cpu', requireGpu: false, threads: 1, modelsDir: '' } as const;
  const log = silentLogger();
  const pool = new RunnerPool(
    (index, wanted) => new RunnerSlot(index, start, options, wanted, log),
    ['a', 'b'],
    log,
  );
  return { pool, ended };
}

const changed = (runner: number, model: string) =>
  runner === 1 && model === 'b' ? modelChanged('b', 1, 'is not what this worker loaded') : undefined;
const names = (models: readonly LoadedModel[]) => models.map(({ signature }) => signature.name);

it("a model that changes between two runners' starts is served by the first runner", async () => {
  const { pool } = poolOf(changed);
  expect(names(await pool.open(3, false))).toEqual(['a', 'b']);
  expect(pool.slots.map(({ loaded }) => names(loaded))).toEqual([['a', 'b'], ['a'], ['a', 'b']]);
  expect(pool.slots[1]?.refused.get('b')).toMatchObject({ code: 'MODEL_CHANGED' });
  expect([pool.mayRun('b'), pool.broken.size, pool.sessions.length]).toEqual([true, 0, 2]);
  await pool.stop();
});

it("a model that changes between two runners' starts fails the start with --strict", async () => {
  const { pool, ended } = poolOf(changed);
  await expect(pool.open(2, true)).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
  expect(ended).toEqual([1]);
  await pool.kill();
});

it('a model that the first runner cannot load is left out of all runners', async () => {
  const { pool } = poolOf((_, model) => (model === 'b' ? new InferError('MODEL_LOAD', 'x') : undefined));
  expect(names(await pool.open(2, false))).toEqual(['a']);
  expect([[...pool.broken.keys()], pool.slots.map(({ refused }) => refused.size)]).toEqual([['b'], [0, 0]]);
  await pool.stop();
});
