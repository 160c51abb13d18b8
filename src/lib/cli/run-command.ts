import { execute, settings } from '@oclif/core';
import { ownOutputErrors } from './standard-streams.js';

// Commands always run from dist: oclif must not look for a TypeScript compiler to run src/, which it does
// whenever a tsconfig.json is next to package.json and NODE_ENV is not production.
settings.enableAutoTranspile = false;

/** Runs the command of the command line. @param dir URL of the program's entry, next to its commands. */
export async function runCommand(dir: string): Promise<void> {
  ownOutputErrors();
  await execute({ dir });
}
