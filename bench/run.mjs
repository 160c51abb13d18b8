// Head-to-head benchmarks: node bench/run.mjs [name...] [--seconds N | --jobs N] [--full] [--celery]
// [--json] [--profile DIR]. What each measures: bench/README.md.
import { mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Place, ROOT } from './lib/place.mjs';
import { table } from './lib/stats.mjs';
import * as bulk from './scenarios/bulk.mjs';
import * as celery from './scenarios/celery.mjs';
import * as compute from './scenarios/compute.mjs';
import * as concurrent from './scenarios/concurrent.mjs';
import * as dashboard from './scenarios/dashboard.mjs';
import * as device from './scenarios/device.mjs';
import * as drain from './scenarios/drain.mjs';
import * as gateway from './scenarios/gateway.mjs';
import * as growth from './scenarios/growth.mjs';
import * as large from './scenarios/large.mjs';
import * as latency from './scenarios/latency.mjs';
import * as lengths from './scenarios/lengths.mjs';
import * as memory from './scenarios/memory.mjs';
import * as mixed from './scenarios/mixed.mjs';
import * as results from './scenarios/results.mjs';
import * as startup from './scenarios/startup.mjs';
import * as submit from './scenarios/submit.mjs';

/** @type {Record<string, {title: string, run: (place: Place, amount: Amount) => Promise<Report>}>} */
const BENCHMARKS = {
  drain,
  bulk,
  latency,
  concurrent,
  mixed,
  compute,
  device,
  large,
  submit,
  results,
  lengths,
  startup,
  memory,
  growth,
  gateway,
  dashboard,
  celery,
};
/** Run only when they are named: they take long, or part of them needs Debian packages. */
const OPTIONAL = ['gateway', 'dashboard', 'celery'];

/**
 * @typedef {import('./lib/sizes.mjs').Amount} Amount
 * @typedef {{lines: import('./lib/stats.mjs').Line[], size: string, skipped?: string, missing?: string}} Report
 */

/** @param {string} text @param {string} flag */
function positive(text, flag) {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag} takes a number above 0, not '${text}'`);
  return value;
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      jobs: { type: 'string' },
      full: { type: 'boolean', default: false },
      celery: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
    },
  });
  const known = Object.keys(BENCHMARKS);
  const wrong = positionals.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new Error(`no benchmark is called '${wrong}': ${known.join(', ')}`);
  const seconds = values.seconds === undefined ? undefined : positive(values.seconds, '--seconds');
  const jobs = values.jobs === undefined ? undefined : Math.ceil(positive(values.jobs, '--jobs'));
  const names = positionals.length > 0 ? positionals : known.filter((name) => !OPTIONAL.includes(name));
  return {
    names: [...new Set([...names, ...(values.celery ? ['celery'] : [])])],
    amount: { seconds, jobs, full: values.full },
    json: values.json,
    profileDir: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

/**
 * What a figure depends on, for comparing two reports.
 * @param {Place} place
 */
async function machine(place) {
  const { client } = await place.redis();
  const redis = /redis_version:(\S+)/.exec(await client.redis.info('server'))?.[1];
  const versions = Object.fromEntries(
    ['bullmq', 'onnxruntime-node'].map((name) => {
      // Not every package exports its package.json.
      const file = join(ROOT, 'node_modules', name, 'package.json');
      return [name, JSON.parse(readFileSync(file, 'utf8')).version];
    }),
  );
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    node: process.versions.node,
    redis,
    ...versions,
  };
}

/** @type {Place | undefined} */
let open;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    open?.abandon();
    process.exit(130);
  });
}

/** @template T @param {string | undefined} profileDir @param {(place: Place) => Promise<T>} work */
async function inPlace(profileDir, work) {
  open = new Place({ profileDir });
  try {
    return await work(open);
  } finally {
    await open.close();
    open = undefined;
  }
}

async function main() {
  const { names, amount, json, profileDir } = readArguments();
  // The user's own settings would change what is measured.
  for (const name of Object.keys(process.env)) if (name.startsWith('INFER_')) delete process.env[name];
  if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
  const facts = await inPlace(undefined, machine);
  const reports = [];
  if (!json)
    console.log(
      Object.entries(facts)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    );
  for (const name of names) {
    const { title, run } = /** @type {(typeof BENCHMARKS)[string]} */ (BENCHMARKS[name]);
    const report = await inPlace(profileDir, (place) => run(place, amount));
    reports.push({ name, title, ...report });
    if (json) continue;
    console.log(`\n${title}${report.size === '' ? '' : ` (${report.size})`}`);
    console.log(report.skipped === undefined ? table(report.lines) : `skipped: ${report.skipped}`);
    if (report.missing !== undefined) console.log(report.missing);
  }
  if (json) console.log(JSON.stringify({ machine: facts, reports }, null, 2));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
