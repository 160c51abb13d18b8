import { consentFlags } from '../../lib/cli/control/control-command.js';
import { named, WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';
import { waitFlag } from '../../lib/cli/flags.js';

/** Stops workers immediately. */
export default class Stop extends WorkerCommand<typeof Stop> {
  static override summary = 'stop workers at once: their running jobs are requeued and run elsewhere';
  static override description =
    `Runs in progress are discarded and start again on another worker. drain lets them finish.
Asks first; in a pipe it needs --yes, or --confirm with the worker as given.
Exits 69 when no worker answers, 3 when some do not, 75 when --wait ends first.`;
  static override examples = [
    '<%= config.bin %> control stop gpu-1',
    '<%= config.bin %> control stop gpu-1 --yes --wait',
  ];
  static override args = { worker: workerArg };
  static override flags = {
    ...workerFlags,
    ...consentFlags,
    wait: waitFlag({ description: 'wait until they have ended, 30s unless a time is given' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { wait } = this.flags;
    return this.order(
      this.args.worker,
      { verb: 'stop' },
      {
        danger: (workers) =>
          `stops ${named(workers)} and discards the runs in progress; their jobs start again`,
        wait: { until: 'gone', ms: wait },
      },
    );
  }
}
