import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The fastest files first: a run ends with the first test that detects the mutant. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { cache, config } = this.ctx;
    const durationOf = ({ project, moduleId }: TestSpecification): number =>
      cache.getFileTestResults(`${project.name}:${relative(config.root, moduleId)}`)?.duration ?? 0;
    return [...files].sort((a, b) => durationOf(a) - durationOf(b));
  }
}

/** For Stryker: every test in this list covers the mutants of code that runs at load (see scripts/mutants.mjs). */
export default defineConfig({
  test: {
    include: JSON.parse(process.env.MUTANTS_TESTS ?? '[]') as string[],
    sequence: { sequencer: QuickFirst },
    // On a slow machine, a test that only takes long must not count as having detected one.
    testTimeout: 15_000,
    // Each mutant has its own thread anyway; its test files may share it.
    isolate: false,
  },
});
