import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { handOver } from './say.mjs';

const CHECKS = [
  { title: 'lint', command: 'biome', args: ['check', '.'] },
  { title: 'types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { title: 'types of the page', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.web.json'] },
  { title: 'dead code', command: 'knip', args: [] },
];

/** States of a test that was not run. */
const SKIPPED = new Set(['skipped', 'pending', 'todo', 'disabled']);

/** Selects tests by their names; Vitest then reports all others as skipped. */
const SELECTS = /^(?:-t|--test-?name-?pattern)(?:=|$)/i;

/**
 * Runs all checks that a change must pass, even after a failure. Then names the tests that were skipped and
 * those that passed only on their second try, and sums up in one line: the tests, and each check as one more.
 * Returns the exit code.
 */
export async function runChecks(root, build, vitestArgs) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { title, command, args } of CHECKS) {
    heading(title);
    const { status } = spawnSync(tool(root, command), args, { cwd: root, stdio: 'inherit' });
    total[status === 0 ? 'passed' : 'failed']++;
  }

  heading('build');
  try {
    build();
  } catch (error) {
    console.log(error.message);
    total.failed++;
  }

  heading('tests');
  const tests = await runVitest(root, vitestArgs);
  for (const kind of Object.keys(total)) total[kind] += tests[kind];

  if (!vitestArgs.some((arg) => SELECTS.test(arg))) list('skipped', tests.skippedNames);
  list('passed on the second try', tests.flaky);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
}

async function runVitest(root, args) {
  const folder = mkdtempSync(join(tmpdir(), 'infer-test-'));
  const report = join(folder, 'report.json');
  try {
    const code = await handOver(
      tool(root, 'vitest'),
      ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
      { cwd: root },
    );
    return count(root, report, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A run can fail without a failed test: because of a file that does not load, or an error after the last
 * test.
 */
function count(root, report, code) {
  let counts = { numPassedTests: 0, numFailedTests: 0, testResults: [] };
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    // No report: vitest did not get that far, as its exit code shows.
  }
  const tests = counts.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status, failureMessages }) => ({
      name: [relative(root, name), ...ancestorTitles, title].join(' > '),
      status,
      failures: failureMessages,
    })),
  );
  const skippedNames = tests.filter(({ status }) => SKIPPED.has(status)).map(({ name }) => name);
  return {
    passed: counts.numPassedTests,
    failed: code === 0 ? counts.numFailedTests : Math.max(1, counts.numFailedTests),
    skipped: skippedNames.length,
    skippedNames,
    flaky: tests.flatMap(({ name, status, failures: [first] }) =>
      // The report has no number of tries; a test that passed has failures only from earlier ones.
      status === 'passed' && first !== undefined
        ? [name, `  ${stripVTControlCharacters(first).split('\n')[0]}`]
        : [],
    ),
  };
}

function list(title, lines) {
  if (lines.length === 0) return;
  heading(title);
  for (const line of lines) console.log(line);
}

function tool(root, name) {
  return join(root, 'node_modules', '.bin', name);
}

function heading(title) {
  console.log(`\n== ${title}`);
}
