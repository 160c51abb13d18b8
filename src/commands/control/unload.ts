import { Args, Flags } from '@oclif/core';
import { consentFlags } from '../../lib/cli/control/control-command.js';
import { named, WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';

/** Unloads a model from running workers. */
export default class Unload extends WorkerCommand<typeof Unload> {
  static override summary = 'unload a model from running workers';
  static override description =
    `Jobs of the model that a worker has taken are finished first. Later ones wait for a worker that serves it.
Asks first; in a pipe it needs --yes, or --confirm with the worker as given. The last model stays unless --force is given.
Exits 69 when no worker answers, 3 when some do not, 1 when they refuse.`;
  static override examples = ['<%= config.bin %> control unload gpu-1 digits'];
  static override args = {
    worker: workerArg,
    model: Args.string({ required: true, description: 'name of the model' }),
  };
  static override flags = {
    ...workerFlags,
    ...consentFlags,
    force: Flags.boolean({ description: 'also the last model of a worker' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { worker, model } = this.args;
    return this.order(
      worker,
      { verb: 'unload', model, force: this.flags.force },
      {
        detail: model,
        danger: (workers) =>
          `unloads ${model} from ${named(workers)}, whose later jobs for it wait for another worker`,
      },
    );
  }
}
