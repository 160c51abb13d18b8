import { consentFlags } from '../../lib/cli/control/control-command.js';
import { named, WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';
import { waitFlag } from '../../lib/cli/flags.js';

/** Restarts workers inside their processes. */
export default class Restart extends WorkerCommand<typeof Restart> {
  static override summary = 'drain workers, then reopen them with models and configuration reloaded';
  static override description =
    `The process stays the same, so a supervisor notices nothing. It keeps its flags and environment; configuration files and the models directory are read again, and checked before anything is stopped.
Asks first; in a pipe it needs --yes, or --confirm with the worker as given.
Exits 69 when no worker answers, 3 when some do not, 75 when --wait ends first.`;
  static override examples = [
    '<%= config.bin %> control restart gpu-1 --wait',
    "<%= config.bin %> control restart 'gpu-*' --yes",
  ];
  static override args = { worker: workerArg };
  static override flags = {
    ...workerFlags,
    ...consentFlags,
    wait: waitFlag({ description: 'wait until they are ready again, 30s unless a time is given' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { wait } = this.flags;
    return this.order(
      this.args.worker,
      { verb: 'restart' },
      {
        danger: (workers) => `restarts ${named(workers)}, which take no jobs meanwhile`,
        wait: { until: 'back', ms: wait },
      },
    );
  }
}
