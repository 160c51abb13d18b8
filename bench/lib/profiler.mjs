// Preloaded into worker and runner by `--profile`: Node 20 does not take --cpu-prof in NODE_OPTIONS,
// which is how a runner, started by the worker, can be reached.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { basename, join } from 'node:path';

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.start');
process.once('exit', () => {
  // Within one process the answer comes before `post` returns.
  session.post('Profiler.stop', (error, reply) => {
    if (error !== null) return;
    const name = `${basename(process.argv[1] ?? 'node', '.js')}-${process.pid}.cpuprofile`;
    writeFileSync(join(process.env.BENCH_PROFILE_DIR ?? '.', name), JSON.stringify(reply.profile));
  });
});
