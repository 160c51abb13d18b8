import { Args, Flags } from '@oclif/core';
import { ControlCommand, consentFlags, controlFlags } from '../../lib/cli/control/control-command.js';
import { purgeView } from '../../lib/cli/views/operations/purge-view.js';
import { PURGE_STATES, purgeQueue } from '../../lib/operations/purge-queue.js';

/** Empties a queue. */
export default class Purge extends ControlCommand<typeof Purge> {
  static override summary = 'cancel all jobs of a queue that have not started, or delete ended ones';
  static override description =
    `Waiting and delayed jobs end as cancelled: waiting clients are notified, their groups count them, and their input is deleted. Their records stay for an hour. With --state, ended jobs are deleted with their results. Running jobs, and jobs submitted meanwhile, are not touched.
Works in small steps, so that Redis serves others between them. Asks first; in a pipe it needs --yes, or --confirm with the name of the queue.`;
  static override examples = [
    '<%= config.bin %> control purge batch',
    '<%= config.bin %> control purge batch --state failed,expired --confirm batch',
  ];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = {
    ...controlFlags,
    ...consentFlags,
    state: Flags.string({
      char: 's',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      options: [...PURGE_STATES],
      description: 'which jobs; repeat or separate with commas [default: waiting,delayed]',
    }),
  };

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(purgeQueue(this.args.queue, this.flags.state), purgeView);
  }
}
