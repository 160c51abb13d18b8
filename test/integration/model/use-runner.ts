import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { startRunner } from '../../../src/lib/model/process-runner.js';
import type { Runner } from '../../../src/lib/model/runner.js';

/**
 * A directory for the tests of a file, and a runner on the CPU that loads models from it.
 * @param below the models directory in it [itself].
 */
export function useRunner(below = '.'): {
  readonly dir: string;
  readonly runner: Pick<Runner, 'load' | 'run'>;
} {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-models-'));
  const modelsDir = path.join(dir, below);
  mkdirSync(modelsDir, { recursive: true });
  let started: Runner | undefined;
  beforeAll(async () => {
    started = await startRunner({ provider: 'cpu', requireGpu: false, threads: 1, modelsDir });
  });
  afterAll(async () => {
    await started?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const runner = (): Runner => {
    if (started === undefined) throw new Error('the runner is started before the first test, not sooner');
    return started;
  };
  return {
    dir,
    runner: { load: (...args) => runner().load(...args), run: (request) => runner().run(request) },
  };
}
