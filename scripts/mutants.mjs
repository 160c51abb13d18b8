// Mutation runs: Stryker changes the source in small ways, one at a time, and counts which of these changes the
// unit tests notice. Below 85 % in a folder, the run of that folder fails (stryker.config.json).
//   node scripts/mutants.mjs              every folder, one after the other (hours)
//   node scripts/mutants.mjs batch tune   these
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';

/** Code without input and output, by its folder: what is mutated, and the tests that must notice. */
const FOLDERS = {
  batch: { mutate: ['src/lib/batch/*.ts'], tests: ['test/unit/batch/*.test.ts'] },
  core: { mutate: ['src/lib/core/*.ts'], tests: ['test/unit/core/*.test.ts'] },
  input: { mutate: ['src/lib/input/*.ts'], tests: ['test/unit/input/*.test.ts'] },
  scale: {
    mutate: ['src/lib/scale/{policy,policy-predictive,policy-step,controller,slots}.ts'],
    tests: ['test/unit/scale/{controller,policies,predictive,properties}.test.ts'],
  },
  tune: { mutate: ['src/lib/tune/rules.ts'], tests: ['test/unit/tune/*.test.ts'] },
  worker: {
    mutate: [
      'src/lib/worker/{batch-sizes,device-error,held,limits,retry,run-clock,run-rows,runner-health,runner-scale}.ts',
    ],
    tests: ['test/unit/worker/*.test.ts'],
  },
};

const KILLED = new Set(['Killed', 'Timeout']);
/** The others could not be run at all. */
const COUNTED = new Set([...KILLED, 'Survived', 'NoCoverage']);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(FOLDERS, name));
if (unknown.length > 0) {
  console.error(`no such folder: ${unknown.join(', ')}\nTry: ${Object.keys(FOLDERS).join(', ')}`);
  process.exit(2);
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
// It is in no hurry, and others may work on this machine.
setPriority(10);
const scores = [];
for (const name of wanted.length > 0 ? wanted : Object.keys(FOLDERS)) {
  const { mutate, tests } = FOLDERS[name];
  console.log(`\n== ${name}`);
  process.env.MUTANTS_TESTS = JSON.stringify(tests);
  // Sets the exit code where too few were killed.
  const mutants = await new Stryker({ mutate }).runMutationTest();
  const counted = mutants.filter(({ status }) => COUNTED.has(status));
  // Stryker takes a run without mutants for a good one.
  if (counted.length === 0) process.exitCode = 1;
  const killed = counted.filter(({ status }) => KILLED.has(status)).length;
  scores.push(
    `${name}: ${killed} of ${counted.length} killed (${((100 * killed) / counted.length).toFixed(1)} %)`,
  );
}
console.log(`\n${scores.join('\n')}`);
