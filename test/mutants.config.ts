import { defineConfig } from 'vitest/config';

/** For Stryker: every test that this lists meets the mutants of code that runs at load (see scripts/mutants.mjs). */
export default defineConfig({
  test: {
    include: JSON.parse(process.env.MUTANTS_TESTS ?? '[]') as string[],
    // On a slow machine, a test that only takes long must not count as one that noticed.
    testTimeout: 15_000,
    // Each mutant has a thread of its own anyway; its test files may share it.
    isolate: false,
  },
});
