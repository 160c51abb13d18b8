import { Args } from '@oclif/core';
import { modelArg, WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';

/** Loads a new version of a model, or another model, without downtime. */
export default class Load extends WorkerCommand<typeof Load> {
  static override summary = 'load a model, or a new version of it, into running workers';
  static override description =
    `Each runner loads the version next to the one it has, and switches when all runners of the worker have it; jobs taken before run on the version they were checked against. If it does not load, nothing changes and the worker says why.
Loads the highest version in the worker's own models directory, unless MODEL names one: digits@2. For a short time both versions need memory.
Exits 69 when no worker answers, 3 when some do not, 1 when they refuse.`;
  static override examples = [
    "<%= config.bin %> control load 'gpu-*' digits",
    '<%= config.bin %> control load gpu-1 digits@2',
  ];
  static override args = {
    worker: workerArg,
    model: Args.string({ required: true, description: 'model, or model@version' }),
  };
  static override flags = workerFlags;

  async run(): Promise<Record<string, unknown>> {
    const { worker, model } = this.args;
    return this.order(worker, { verb: 'load', ...modelArg(model) }, { detail: model });
  }
}
