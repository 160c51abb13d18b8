import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration,cli,chaos,soak,bench}/**/*.test.ts'],
    // Integration files start a Redis and runner processes each: more side by side only makes them slow.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
