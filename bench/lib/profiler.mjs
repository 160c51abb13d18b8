// Preloaded into worker and runner by `--profile`: Node 20 does not accept --cpu-prof in NODE_OPTIONS, the only way to
// reach a runner, which the worker starts.
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
