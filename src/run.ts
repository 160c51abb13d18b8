import { execute, settings } from '@oclif/core';

// Commands always run from dist: oclif must not look for a TypeScript compiler to run src/ with,
// which it does whenever a tsconfig.json lies beside package.json and NODE_ENV is not production.
settings.enableAutoTranspile = false;

await execute({ dir: import.meta.url });
