import { defineConfig } from 'vitest/config';

/** For Stryker: every test that this lists meets the mutants of code that runs at load (see scripts/mutants.mjs). */
export default defineConfig({
  test: { include: JSON.parse(process.env.MUTANTS_TESTS ?? '[]') as string[] },
});
