import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Lane } from '../lib/lanes.mjs';
import { ROOT } from '../lib/place.mjs';
import { roundsOf, sizeOf } from '../lib/sizes.mjs';
import { compare } from '../lib/stats.mjs';

export const title =
  'celery: the same single-row jobs through a Celery solo worker with torch; jobs a second';

/** Debian's packages are for Debian's Python, which need not be the first of the PATH. */
const PYTHON = process.env.BENCH_PYTHON ?? '/usr/bin/python3';

/** @param {import('../lib/place.mjs').Place} place @param {import('../lib/sizes.mjs').Amount} amount */
export async function run(place, amount) {
  const found = spawnSync(PYTHON, ['-c', 'import celery, redis, torch'], { encoding: 'utf8' });
  if (found.status !== 0) {
    const why = found.error?.message ?? found.stderr.trim().split('\n').at(-1);
    return { lines: [], size: '', skipped: `${PYTHON}: ${why}; bench/README.md says what to install` };
  }
  const jobs = sizeOf(amount, { usual: 3_000, perSecond: 200 });
  const server = await place.redis();
  const lane = new Lane(place, server, 'celery', 'infer');
  await place.worker(server.url, ['-Q', 'celery']);
  const folder = join(ROOT, 'bench', 'celery');
  const python = (/** @type {string[]} */ args) =>
    spawnSync(PYTHON, args, { cwd: folder, encoding: 'utf8', env: celeryEnv(server.socket) });
  const ours = [];
  const theirs = [];
  for (let round = 0; round < roundsOf(amount, 3); round++) {
    await lane.hold();
    await lane.fillOurs(jobs);
    ours.push(await lane.drainRate(jobs));
    // Queues the jobs, runs a solo worker in the same process until they are done, prints the rate.
    const { status, stdout, stderr } = python(['drain.py', String(jobs)]);
    if (status !== 0) throw new Error(`drain.py: ${stderr.trim().split('\n').at(-1)}`);
    theirs.push(Number(stdout.trim().split('\n').at(-1)));
  }
  const words = { what: 'with results', unit: 'jobs/s', against: 'Celery solo', target: '>= 10x' };
  return { lines: [compare(words, ours, theirs)], size: `${jobs} jobs` };
}

/** @param {string} socket */
function celeryEnv(socket) {
  return { ...process.env, BENCH_REDIS_SOCKET: socket, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
}
