import { parseArgs } from 'node:util';
import { keyLines } from '../chaos/key-lines.js';
import { runHarness } from '../support/harness.js';
import { judgementLines } from './report.js';
import { runSoak } from './soak.js';

const USAGE = `usage: npm run test:soak -- [--minutes M] [--rate N] [--seed N] [--keep]
  --minutes  how long, 1 or more [60]
  --rate     jobs a second [200]
  --seed     decides inputs and what is done with them [by the clock]; printed first
  --keep     keep logs, and say where`;

/** Returns the exit code: 0 all figures are flat and nothing unexpected happened, 1 otherwise, 2 wrong usage. */
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
  if (process.platform !== 'linux') {
    console.error('the soak reads memory from /proc: it runs on Linux only');
    return 2;
  }
  print(`seed ${values.seed}`);
  const { judgements, faults, outcomes, kinds, looks, scrapes, dir } = await runSoak({
    ...values,
    root,
    print,
  });
  for (const line of judgementLines(judgements)) print(line);
  for (const [what, count] of Object.entries(outcomes).sort()) print(`${what.padEnd(24)} ${count}`);
  for (const line of keyLines(kinds)) print(line);
  print(`${looks} commands and ${scrapes} scrapes looked on`);
  for (const fault of faults) print(`FAULT  ${fault}`);
  if (dir !== undefined) print(`kept ${dir}`);
  const grown = judgements.filter(({ flat }) => !flat).map(({ name }) => name);
  const well = grown.length === 0 && faults.length === 0;
  print(
    well
      ? 'verdict: flat'
      : `verdict: ${[...(grown.length > 0 ? [`not flat: ${grown.join(', ')}`] : []), ...(faults.length > 0 ? [`${faults.length} faults`] : [])].join('; ')}`,
  );
  return well ? 0 : 1;
}

function parse(argv: string[]) {
  const text = { type: 'string' as const };
  const options = { minutes: text, rate: text, seed: text, keep: { type: 'boolean' as const } };
  const { values } = parseArgs({ args: argv, options });
  return {
    minutes: number('minutes', values.minutes, 60, 1),
    rate: number('rate', values.rate, 200, 1),
    seed: number('seed', values.seed, Date.now() % 1_000_000, 0),
    keep: values.keep,
  };
}

function number(name: string, value: string | undefined, usual: number, least: number): number {
  const parsed = value === undefined ? usual : Number(value);
  if (Number.isFinite(parsed) && parsed >= least) return parsed;
  throw new Error(`--${name} ${value} is not a number of ${least} or more`);
}
