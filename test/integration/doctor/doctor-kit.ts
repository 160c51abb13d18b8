import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { surveySettings } from '../../../src/lib/config/load.js';
import type { CheckResult } from '../../../src/lib/doctor/check.js';
import type { ContextOptions } from '../../../src/lib/doctor/context.js';
import { type Diagnosis, diagnose } from '../../../src/lib/doctor/diagnose.js';
import { ROOT } from '../../support/cli.js';

export interface Examination extends Diagnosis {
  /** The finding of one check. */
  of(id: string): CheckResult;
}

export interface ExamineOptions extends Omit<ContextOptions, 'loaded' | 'version'> {
  version?: string;
  env?: Record<string, string>;
  /** Time limit of a check. */
  limitMs?: number;
}

/** An empty directory for this file, removed at its end. */
export function emptyDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'infer-doctor-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs the named checks with these variables as the whole environment, outside any container. */
export async function examine(
  env: Record<string, string>,
  named: readonly string[],
  options: ExamineOptions = {},
): Promise<Examination> {
  const { limitMs, version = '1.0.0', machine, ...rest } = options;
  const { loaded, problems } = await surveySettings({
    env: { HOME: '/nowhere', INFER_STATE_DIR: '/nowhere/state', ...env },
    cwd: ROOT,
    packageRoot: ROOT,
  });
  const diagnosis = await diagnose(
    { loaded, problems, named, version, machine: { root: '/nowhere', ...machine }, ...rest },
    limitMs,
  );
  const of = (id: string): CheckResult => {
    const result = diagnosis.results.find((one) => one.id === id);
    if (result === undefined) throw new Error(`${id} was not run`);
    return result;
  };
  return { ...diagnosis, of };
}
