// Whether the worker in this container lives (`health.mjs`) or takes jobs (`health.mjs ready`): exit 0 or 1.
// Asks Redis for its heartbeat. A Redis that does not answer says nothing against the worker: restarting
// every worker at once would only have every model loaded again.
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';

const infer = fileURLToPath(new URL('bin/run.js', import.meta.url));
const asked = spawnSync(process.execPath, [infer, 'inspect', '--json'], { encoding: 'utf8', timeout: 8000 });

if (asked.status !== 0) {
  console.error('Redis was not reached; nothing is known of the worker');
} else {
  const { workers } = JSON.parse(asked.stdout);
  const mine = workers.filter((worker) => worker.host === hostname());
  const wanted = process.argv[2] === 'ready' ? mine.filter((worker) => worker.state === 'ready') : mine;
  console.error(`${wanted.length} of ${mine.length} workers on ${hostname()}`);
  process.exitCode = wanted.length > 0 ? 0 : 1;
}
