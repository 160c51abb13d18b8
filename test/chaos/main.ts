import { parseArgs } from 'node:util';
import { runHarness } from '../support/harness.js';
import { runChaos } from './chaos.js';
import { TROUBLES, type TroubleName, unfit } from './faults.js';
import { summary } from './report.js';

const USAGE = `usage: npm run test:chaos -- [--seed N] [--minutes M | --rounds N] [--faults a,b,...] [--keep]
  --seed     decides faults and inputs [by the clock]; printed first
  --minutes  how long faults come [1]
  --rounds   this many faults instead
  --faults   only these: ${TROUBLES.join(', ')}
  --workers, --clients  how many of each [3, 2]
  --keep     keep logs and histories, and say where`;

/** Returns the exit code: 0 all promises kept, 1 some were not, 2 wrong usage. */
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
  print('Redis        append-only file synced at every write, so acknowledged means durable');
  const report = await runChaos({ ...values, root, print });
  for (const line of summary(report)) print(line);
  if (report.dir !== undefined) print(`kept         ${report.dir}`);
  return report.violations.length === 0 ? 0 : 1;
}

function parse(argv: string[]) {
  const text = { type: 'string' as const };
  const { values } = parseArgs({
    args: argv,
    options: {
      seed: text,
      minutes: text,
      rounds: text,
      faults: text,
      workers: text,
      clients: text,
      keep: { type: 'boolean' },
    },
  });
  const faults = values.faults?.split(',');
  const unknown = faults?.find((name) => !TROUBLES.includes(name as TroubleName));
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}`);
  const stray = unfit((faults ?? []) as TroubleName[]);
  if (stray !== undefined) throw new Error(`${stray} does not go with failover`);
  return {
    seed: number('seed', values.seed) ?? Date.now() % 1_000_000,
    minutes: number('minutes', values.minutes),
    rounds: number('rounds', values.rounds),
    workers: number('workers', values.workers),
    clients: number('clients', values.clients),
    faults: faults as TroubleName[] | undefined,
    keep: values.keep,
  };
}

function number(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || parsed < 0) throw new Error(`--${name} ${value} is no number`);
  return parsed;
}
