import { Args } from '@oclif/core';
import { ControlCommand, consentFlags, controlFlags } from '../../lib/cli/control/control-command.js';
import { repairView } from '../../lib/cli/views/operations/repair-view.js';
import { repairQueue } from '../../lib/operations/repair-queue.js';

/** Repairs the keys of a queue. */
export default class Repair extends ControlCommand<typeof Repair> {
  static override summary = 'repair a queue whose keys in Redis were overwritten or deleted';
  static override description =
    `Takes keys with the wrong type out of use, and puts jobs that are in no list back in their queue, by priority and in order of submission. Keys taken out of use are kept for seven days under another name. A pause is lost with the key that held it.
Reads every key of the server, in small steps. Workers can continue meanwhile, and it can be stopped and repeated. Asks first if keys are damaged; in a pipe it needs --yes, or --confirm with the name of the queue.
Jobs that are damaged themselves are set aside by workers: infer retry repairs them where possible, infer cancel deletes them.`;
  static override examples = [
    '<%= config.bin %> control repair batch --dry-run',
    '<%= config.bin %> control repair batch --yes',
  ];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = { ...controlFlags, ...consentFlags };

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(repairQueue(this.args.queue), repairView);
  }
}
