import { WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';
import { waitFlag } from '../../lib/cli/flags.js';

/** Lets workers finish their jobs and exit. */
export default class Drain extends WorkerCommand<typeof Drain> {
  static override summary = 'let workers finish their running jobs, then exit';
  static override description =
    `Jobs that a worker has not started return to their queue at once; started ones may take as long as its --drain-timeout.
Exits 69 when no worker answers, 3 when some do not, 75 when --wait ends first.`;
  static override examples = [
    '<%= config.bin %> control drain gpu-1',
    "<%= config.bin %> control drain 'gpu-*' --wait 1m",
  ];
  static override args = { worker: workerArg };
  static override flags = {
    ...workerFlags,
    wait: waitFlag({ description: 'wait until they have ended, 30s unless a time is given' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { wait } = this.flags;
    return this.order(this.args.worker, { verb: 'drain' }, { wait: { until: 'gone', ms: wait } });
  }
}
