// Mutation runs: Stryker changes the source in small ways, one at a time, and counts which of these changes
// the unit tests detect. The exit code is 1 when less than 85 % are detected in a folder, or in the files
// given of it.
//   node scripts/mutants.mjs                          every folder, one after the other (hours)
//   node scripts/mutants.mjs batch tune               these folders
//   node scripts/mutants.mjs core/sketch core/units   these files of src/lib
//   node scripts/mutants.mjs --again batch            all mutants, even those whose code and tests are unchanged
// Results are kept in node_modules/.cache/mutants/, one file per folder; a later run starts from them.
// Stryker does not know what a test reaches: after a change in code used by the mutated files, run it with
// --again.
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';

/**
 * Code without input and output, by folder: the files to mutate (all, or these), and the tests that must
 * detect the mutants.
 */
const FOLDERS = {
  batch: { tests: ['test/unit/batch/*.test.ts'] },
  // poll-pauses replaces timers, which all files share here.
  core: { tests: ['test/unit/core/!(poll-pauses).test.ts'] },
  // The long stream takes seconds, and detects nothing that the others do not.
  input: { tests: ['test/unit/input/!(long-stream).test.ts'] },
  scale: {
    files: ['policy', 'policy-predictive', 'policy-step', 'controller', 'slots'],
    // Without the property tests, which take a minute: the score is what the plain tests reach alone.
    tests: ['test/unit/scale/{controller,policies,controller-reasons,predictive,predictive-look}.test.ts'],
  },
  tune: { files: ['rules'], tests: ['test/unit/tune/*.test.ts'] },
  worker: {
    files: [
      'batch-sizes',
      'device-error',
      'held-jobs',
      'limits',
      'retry',
      'run-clock',
      'run-rows',
      'runner-health',
      'runner-scale',
    ],
    tests: ['test/unit/worker/*.test.ts'],
  },
};

const KILLED = new Set(['Killed', 'Timeout']);
/** The others could not be run at all. */
const COUNTED = new Set([...KILLED, 'Survived', 'NoCoverage']);
const LEAST = 0.85;

/** Paths of the files to mutate, by folder. */
function planOf(wanted) {
  const plan = new Map();
  for (const name of wanted) {
    const [folder, file] = name.split('/');
    const dir = `src/lib/${folder}`;
    const all = Object.hasOwn(FOLDERS, folder) ? (FOLDERS[folder].files ?? namesIn(dir)) : [];
    const files = file === undefined ? all : all.filter((one) => one === file);
    if (files.length === 0) {
      console.error(
        `no such folder or file: ${name}\nTry: ${Object.keys(FOLDERS).join(', ')}, or a file such as core/units`,
      );
      process.exit(2);
    }
    plan.set(folder, [...(plan.get(folder) ?? []), ...files.map((one) => `${dir}/${one}.ts`)]);
  }
  return plan;
}

const namesIn = (dir) =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => basename(name, '.ts'));

/** Killed mutants and all that could be run, by file. */
function countByFile(mutants) {
  const counts = new Map();
  for (const { fileName, status } of mutants) {
    if (!COUNTED.has(status)) continue;
    const file = relative('.', fileName);
    const { killed, all } = counts.get(file) ?? { killed: 0, all: 0 };
    counts.set(file, { killed: killed + Number(KILLED.has(status)), all: all + 1 });
  }
  return counts;
}

/** A line such as `core: 90 of 100 killed (90.0 %)`. */
const lineOf = (name, { killed, all }) =>
  `${name}: ${killed} of ${all} killed (${((100 * killed) / all).toFixed(1)} %)`;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values, positionals } = parseArgs({
  options: { again: { type: 'boolean', default: false } },
  allowPositionals: true,
});
// It is not urgent, and others may be working on this machine.
setPriority(10);
const lines = [];
for (const [folder, mutate] of planOf(positionals.length > 0 ? positionals : Object.keys(FOLDERS))) {
  console.log(`\n== ${folder}`);
  process.env.MUTANTS_TESTS = JSON.stringify(FOLDERS[folder].tests);
  const begun = performance.now();
  const mutants = await new Stryker({
    mutate,
    incremental: true,
    incrementalFile: `node_modules/.cache/mutants/${folder}.json`,
    force: values.again,
  }).runMutationTest();
  const minutes = ((performance.now() - begun) / 60_000).toFixed(1);
  // Stryker also hands out what it remembers of files that were not asked for.
  const counts = [...countByFile(mutants)].filter(([file]) => mutate.includes(file));
  const sum = counts.reduce(
    (total, [, { killed, all }]) => ({ killed: total.killed + killed, all: total.all + all }),
    { killed: 0, all: 0 },
  );
  // Without mutants it measured nothing.
  if (sum.all === 0 || sum.killed / sum.all < LEAST) process.exitCode = 1;
  lines.push(...counts.map(([file, count]) => `  ${lineOf(file, count)}`));
  lines.push(`${lineOf(folder, sum)}, ${minutes} minutes`);
}
console.log(`\n${lines.join('\n')}`);
