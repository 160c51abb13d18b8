import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferError } from '../core/errors.js';

const PACKAGE_NAME = 'infer-queue';
let found: string | undefined;

/**
 * Directory of this package, found by walking up to its package.json: the same from a bundled chunk
 * (dist/cli), from dist/lib and from src under a test runner.
 */
export function packageRoot(): string {
  if (found !== undefined) return found;
  let dir = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = path.join(dir, 'package.json');
    if (existsSync(file)) {
      const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string };
      if (name === PACKAGE_NAME) {
        found = dir;
        return dir;
      }
    }
    const parent = path.dirname(dir);
    if (parent === dir) {
      throw new InferError(
        'PACKAGE_ROOT',
        `package.json of ${PACKAGE_NAME} was not found above ${fileURLToPath(import.meta.url)}`,
        {
          hint: `install it again: npm install ${PACKAGE_NAME}`,
        },
      );
    }
    dir = parent;
  }
}

/** The compiled entry of the runner process. @throws InferError RUNNER_MISSING when not built. */
export function runnerScript(): string {
  return built('dist/lib/model/runner-main.js');
}

/** The compiled entry of the process that prepares rows. @throws InferError RUNNER_MISSING when not built. */
export function prepareScript(): string {
  return built('dist/lib/prepare/prepare-main.js');
}

function built(file: string): string {
  const script = path.join(packageRoot(), ...file.split('/'));
  if (!existsSync(script)) {
    throw new InferError('RUNNER_MISSING', `${file} is missing: the package is not built`, {
      hint: 'npm run build',
    });
  }
  return script;
}
