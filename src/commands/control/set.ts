import { Args } from '@oclif/core';
import { WorkerCommand, workerArg, workerFlags } from '../../lib/cli/control/worker-command.js';
import { settableOrder } from '../../lib/operations/settable-order.js';

/** Changes a setting of running workers. */
export default class SetOption extends WorkerCommand<typeof SetOption> {
  static override summary = 'change concurrency, autoscale, max-batch or log-level of running workers';
  static override description =
    `concurrency: starts additional runner processes, or ends surplus ones after their run. The threads per runner do not change.
autoscale: new bounds, MAX,MIN, for a worker started with --autoscale, whose concurrency cannot be set.
max-batch: rows of one run, or auto to learn them from run times.
The change lasts until the worker ends. Exits 69 when no worker answers, 3 when some do not, 1 when they refuse.`;
  static override examples = [
    '<%= config.bin %> control set gpu-1 concurrency 3',
    "<%= config.bin %> control set '*' max-batch auto",
    '<%= config.bin %> control set cpu-1 autoscale 6,1',
    '<%= config.bin %> control set gpu-1 log-level debug',
  ];
  static override args = {
    worker: workerArg,
    what: Args.string({
      required: true,
      options: ['concurrency', 'autoscale', 'max-batch', 'log-level'],
      description: 'what to change',
    }),
    value: Args.string({ required: true, description: 'its new value' }),
  };
  static override flags = workerFlags;

  async run(): Promise<Record<string, unknown>> {
    const { worker, what, value } = this.args;
    return this.order(worker, settableOrder(what, value), { detail: `${what} ${value}` });
  }
}
