import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { fingerprint, modelChanged } from '../../../src/lib/model/fingerprint.js';
import { RefusedModels } from '../../../src/lib/worker/refused-models.js';
import type { SessionSpec } from '../../../src/lib/worker/session-spec.js';

let dir = '';
let file = '';
let spec: SessionSpec;
const HOUR_MS = 3_600_000;
/** Milliseconds by which files appear older: they are at rest 3 s after a change. */
let aged = 0;
/** The machine may be busy. */
const WAIT = { timeout: 20_000 };
const clock = { time: 0, now: () => clock.time };

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'infer-refused-'));
  mkdirSync(path.join(dir, 'm', '1'), { recursive: true });
  file = path.join(dir, 'm', '1', 'model.onnx');
  writeFileSync(file, 'former');
  const expect = await fingerprint([{ label: '1/model.onnx', path: file }]);
  spec = { model: 'm', session: 'm', version: 1, expect };
  aged = HOUR_MS;
  clock.time = 0;
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + aged);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

/** A runner that refuses the model while it is given an error to refuse it with. */
function refusing(first: InferError) {
  const state: { error: InferError | undefined; loads: number; loaded: number } = {
    error: first,
    loads: 0,
    loaded: 0,
  };
  const refused = new RefusedModels({
    modelsDir: dir,
    wanted: () => [spec],
    load: async () => {
      state.loads += 1;
      if (state.error !== undefined) throw state.error;
    },
    onLoaded: () => {
      state.loaded += 1;
    },
    clock,
    lookMs: 2,
  });
  const look = vi.spyOn(refused, 'look');
  /** After this many more looks at the files. */
  const looks = async (count: number) => {
    const before = look.mock.calls.length;
    await expect.poll(() => look.mock.calls.length - before, WAIT).toBeGreaterThanOrEqual(count);
  };
  return { refused, state, looks };
}

it('a model whose files changed is retried only once they differ again and are at rest', async () => {
  const changed = modelChanged('m', 1, 'is not what this worker loaded');
  const { refused, state, looks } = refusing(changed);
  writeFileSync(file, 'another');
  refused.set('m', changed, await refused.look(spec));
  refused.retryLater();
  await looks(5);
  clock.time = 1e9;
  await looks(5);
  expect(state.loads).toBe(0);

  // Being written: it may be incomplete.
  aged = -HOUR_MS;
  writeFileSync(file, 'form');
  await looks(5);
  expect(state.loads).toBe(0);
  aged = HOUR_MS;
  await expect.poll(() => state.loads, WAIT).toBe(1);
  await looks(5);
  expect(state.loads).toBe(1);

  state.error = undefined;
  writeFileSync(file, 'former');
  await expect.poll(() => state.loaded, WAIT).toBe(1);
  expect([state.loads, refused.size]).toEqual([2, 0]);
  refused.stop();
});

it('a model that was moved away is retried when the same file is back in place', async () => {
  const changed = modelChanged('m', 1, "cannot be loaded again: model 'm' has no version 1");
  const { refused, state, looks } = refusing(changed);
  renameSync(path.join(dir, 'm', '1'), path.join(dir, 'm', 'old'));
  refused.set('m', changed, await refused.look(spec));
  refused.retryLater();
  await looks(5);
  expect(state.loads).toBe(0);
  state.error = undefined;
  renameSync(path.join(dir, 'm', 'old'), path.join(dir, 'm', '1'));
  await expect.poll(() => state.loaded, WAIT).toBe(1);
  refused.stop();
});

it('a model that failed for another reason is retried ever less often while its files are unchanged', async () => {
  const failed = new InferError('MODEL_LOAD', 'no memory');
  const { refused, state, looks } = refusing(failed);
  refused.set('m', failed, await refused.look(spec));
  refused.retryLater();
  const tries: number[] = [];
  for (clock.time = 0; clock.time <= 16_000; clock.time += 1000) {
    await looks(3);
    if (state.loads > tries.length) tries.push(clock.time / 1000);
  }
  expect(tries).toEqual([1, 3, 7, 15]);
  state.error = undefined;
  clock.time = 31_000;
  await expect.poll(() => state.loaded, WAIT).toBe(1);
  refused.stop();
});

it('a restarted runner does not retry what its predecessor refused for the content of the same files', async () => {
  const changed = modelChanged('m', 1, 'is not what this worker loaded');
  const { refused } = refusing(changed);
  writeFileSync(file, 'another');
  const stamps = await refused.look(spec);
  refused.set('m', changed, stamps);
  refused.beginAgain();
  expect([refused.size, refused.stillRefuses(spec, stamps), refused.get('m')]).toEqual([0, true, changed]);

  refused.beginAgain();
  writeFileSync(file, 'former');
  expect(refused.stillRefuses(spec, await refused.look(spec))).toBe(false);

  refused.set('m', new InferError('MODEL_LOAD', 'no memory'), await refused.look(spec));
  refused.beginAgain();
  expect(refused.stillRefuses(spec, await refused.look(spec))).toBe(false);
});
