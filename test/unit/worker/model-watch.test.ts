import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fingerprint } from '../../../src/lib/model/fingerprint.js';
import { ModelWatch } from '../../../src/lib/worker/model-watch.js';
import type { RunnerPool } from '../../../src/lib/worker/runner-pool.js';
import type { SessionSpec } from '../../../src/lib/worker/session-spec.js';
import { silentLogger } from '../../support/silent-logger.js';

let dir = '';
let spec: SessionSpec;
let watch: ModelWatch;
const HOUR_MS = 3_600_000;
/** Milliseconds by which files appear older: they are at rest 3 s after a change. */
let aged = 0;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'infer-watch-'));
  const file = path.join(dir, 'model.onnx');
  aged = -HOUR_MS;
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + aged);
  writeFileSync(file, 'weights');
  spec = {
    model: 'm',
    session: 'm',
    version: 1,
    expect: await fingerprint([{ label: '1/model.onnx', path: file }]),
  };
  const pool = {
    sessions: [spec],
    slots: [],
    broken: new Map(),
    holds: () => true,
    withdraw: () => undefined,
  };
  watch = new ModelWatch(pool as unknown as RunnerPool, silentLogger());
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

it('hashes taken just after a change are taken again once the file is at rest, so that no runner repeats it', async () => {
  const marks = spec.expect?.files;
  const before = { ...marks?.[0] };
  await watch.look();
  expect(marks).toMatchObject([{ settled: false }]);
  aged = HOUR_MS;
  await watch.look();
  expect(marks).toEqual([{ ...before, settled: true }]);
  expect(watch.problems).toEqual([]);
});

it('a write in the same clock tick as a hash is detected then', async () => {
  // As if the file had been hashed before the last write, which did not change its mtime.
  const former = path.join(dir, 'former');
  writeFileSync(former, 'former');
  const { digest, files } = await fingerprint([{ label: '1/model.onnx', path: former }]);
  const mark = spec.expect?.files[0];
  Object.assign(mark ?? {}, { sha: files[0]?.sha });
  Object.assign(spec.expect ?? {}, { digest });
  aged = HOUR_MS;
  await watch.look();
  expect(watch.problems).toMatchObject([
    { code: 'MODEL_CHANGED', message: expect.stringContaining('1/model.onnx changed on disk since') },
  ]);
});
