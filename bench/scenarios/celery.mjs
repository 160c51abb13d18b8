import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { digitChunks } from '../lib/digits.mjs';
import { Lane } from '../lib/lanes.mjs';
import { ROOT } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title =
  'celery: the same rows through a Celery solo worker with torch; single-row jobs and 256 rows a job';

/** Debian's packages are for Debian's Python, which need not be the first on the PATH. */
const PYTHON = process.env.BENCH_PYTHON ?? '/usr/bin/python3';

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const found = spawnSync(PYTHON, ['-c', 'import celery, redis, torch'], { encoding: 'utf8' });
  if (found.status !== 0) {
    const why = found.error?.message ?? found.stderr.trim().split('\n').at(-1);
    return { lines: [], size: '', skipped: `${PYTHON}: ${why}; bench/README.md says what to install` };
  }
  const jobs = sizeOf(amount, { usual: 5_000, perSecond: 200 });
  const chunks = Math.max(2, Math.round(jobs / 25));
  const server = await place.redis();
  const { client } = server;
  const lane = new Lane(place, server, 'celery', 'infer');
  await place.worker(server.url, ['-Q', 'celery']);
  const signature = await client.signatures.find('digits');
  const folder = join(ROOT, 'bench', 'celery');
  /** Queues the jobs, runs a solo worker in the same process until they are done. @param {(string | number)[]} args */
  const theirs = (...args) => {
    const options = { cwd: folder, encoding: /** @type {const} */ ('utf8'), env: celeryEnv(server.socket) };
    const { status, stdout, stderr } = spawnSync(PYTHON, ['drain.py', ...args.map(String)], options);
    if (status !== 0) throw new Error(`drain.py: ${stderr.trim().split('\n').at(-1)}`);
    return Number(stdout.trim().split('\n').at(-1));
  };
  /** @param {number} n @param {{resultTtl?: number}} [options] */
  const ours = async (n, options) => {
    await lane.hold();
    await lane.fillOurs(n, options);
    return lane.drainRate(n);
  };
  const ourChunks = async (/** @type {number} */ n) => {
    await lane.hold();
    await client.submitMany(digitChunks(n * 256), signature, { model: 'digits', queue: 'celery' });
    return lane.drainRate(n);
  };
  await ours(Math.min(jobs, 3_000));
  await ourChunks(chunks);
  const sides = [
    { what: 'with results', ours: () => ours(jobs), theirs: () => theirs(jobs, 'classify', 1), rows: 1 },
    {
      what: 'fire and forget',
      ours: () => ours(jobs, { resultTtl: 0 }),
      theirs: () => theirs(jobs, 'classify_and_forget', 1),
      rows: 1,
    },
    {
      what: '256 rows a job, with results',
      ours: () => ourChunks(chunks),
      theirs: () => theirs(chunks, 'classify_rows', 256),
      rows: 256,
    },
  ];
  const lines = [];
  for (const { what, ours, theirs, rows } of sides) {
    const rates = { ours: /** @type {number[]} */ ([]), theirs: /** @type {number[]} */ ([]) };
    for (let round = 0; round < roundsOf(amount, 3); round++) {
      rates.ours.push((await ours()) * rows);
      rates.theirs.push(theirs() * rows);
    }
    const unit = rows === 1 ? 'jobs/s' : 'rows/s';
    const target = what === 'with results' ? { target: '>= 10x' } : {};
    lines.push(compare({ what, unit, against: 'Celery solo', ...target }, rates.ours, rates.theirs));
  }
  return { lines, size: `${jobs} jobs, ${chunks} of 256 rows` };
}

/** @param {string} socket */
function celeryEnv(socket) {
  return { ...process.env, BENCH_REDIS_SOCKET: socket, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
}
