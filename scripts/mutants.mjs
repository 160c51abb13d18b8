// Mutation runs: Stryker changes the source in small ways, one at a time, and counts which of these changes the
// unit tests notice. Below 85 % in a folder, the run of that folder fails (stryker.config.json).
//   node scripts/mutants.mjs              every folder, one after the other (hours)
//   node scripts/mutants.mjs batch tune   these
import { spawnSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Code without input and output, by its folder: what is mutated, and the tests that must notice. */
const FOLDERS = {
  batch: { mutate: ['src/lib/batch/*.ts'], tests: ['test/unit/batch/*.test.ts'] },
  core: { mutate: ['src/lib/core/*.ts'], tests: ['test/unit/core/*.test.ts'] },
  input: { mutate: ['src/lib/input/*.ts'], tests: ['test/unit/input/*.test.ts'] },
  scale: {
    mutate: ['src/lib/scale/{policy,policy-predictive,policy-step,controller,slots}.ts'],
    tests: ['test/unit/scale/{controller,predictive,properties,targets}.test.ts'],
  },
  tune: { mutate: ['src/lib/tune/rules.ts'], tests: ['test/unit/tune/*.test.ts'] },
  worker: {
    mutate: [
      'src/lib/worker/{batch-sizes,device-error,held,limits,retry,run-rows,runner-health,runner-scale}.ts',
    ],
    tests: ['test/unit/worker/*.test.ts'],
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(FOLDERS, name));
if (unknown.length > 0) {
  console.error(`no such folder: ${unknown.join(', ')}\nTry: ${Object.keys(FOLDERS).join(', ')}`);
  process.exit(2);
}

// It is in no hurry, and others may work on this machine.
setPriority(10);
const failed = [];
for (const name of wanted.length > 0 ? wanted : Object.keys(FOLDERS)) {
  const { mutate, tests } = FOLDERS[name];
  console.log(`\n== ${name}`);
  const args = ['run', '--mutate', mutate.join(','), '--testFiles', tests.join(',')];
  const { status } = spawnSync(join(root, 'node_modules/.bin/stryker'), args, {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.log(`\ntoo few mutants killed, or no run: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
