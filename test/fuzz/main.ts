import { parseArgs } from 'node:util';
import { runHarness } from '../support/harness.js';
import { runFuzz } from './fuzz.js';
import { summary } from './report.js';

const USAGE = `usage: npm run test:fuzz -- [--requests N] [--seed N] [--only N] [--at-once N] [--keep]
  --requests  how many [10000]
  --seed      determines requests and their faults [by the clock]; printed first
  --only      only this request of a run, with its seed
  --at-once   connections [16]
  --keep      keep the logs, and print their location`;

/** Returns the exit code: 0 if every response is as documented, 1 if some are not, 2 for wrong usage. */
export function main(root: string, argv: string[]): Promise<number> {
  return runHarness(
    USAGE,
    () => parse(argv),
    (values, print) => judge(root, values, print),
  );
}

async function judge(
  root: string,
  values: ReturnType<typeof parse>,
  print: (line: string) => void,
): Promise<number> {
  const { seed } = values;
  print(`seed         ${seed}`);
  const report = await runFuzz({ ...values, root, print });
  for (const line of summary(report, seed)) print(line);
  if (report.dir !== undefined) print(`kept         ${report.dir}`);
  return report.faults.length + report.troubles.length === 0 ? 0 : 1;
}

function parse(argv: string[]) {
  const text = { type: 'string' as const };
  const options = {
    requests: text,
    seed: text,
    only: text,
    'at-once': text,
    keep: { type: 'boolean' as const },
  };
  const { values } = parseArgs({ args: argv, options });
  return {
    requests: number('requests', values.requests) ?? 10_000,
    seed: number('seed', values.seed) ?? Date.now() % 1_000_000,
    only: number('only', values.only),
    atOnce: number('at-once', values['at-once']),
    keep: values.keep,
  };
}

function number(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 0) throw new Error(`--${name} ${value} is not a whole number`);
  return parsed;
}
