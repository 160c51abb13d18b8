import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';

export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration,cli,browser,chaos,soak,fuzz,bench}/**/*.test.ts'],
    // Integration files start a Redis and runner processes each: more side by side only makes them slow.
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // These only end a test that hangs. None is near what a slow, shared machine needs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    // A second try lets a change land; `npm test` names each test that needed it.
    retry: 1,
  },
});
