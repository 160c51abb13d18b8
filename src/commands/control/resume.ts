import { Args } from '@oclif/core';
import { ControlCommand, controlFlags } from '../../lib/cli/control/control-command.js';
import { pauseDeed } from '../../lib/cli/control/pause-queue.js';

/** Resumes a paused queue. */
export default class Resume extends ControlCommand<typeof Resume> {
  static override summary = 'resume a paused queue';
  static override examples = ['<%= config.bin %> control resume batch'];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = controlFlags;

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(pauseDeed(this.args.queue, false));
  }
}
