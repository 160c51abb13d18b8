import { Args } from '@oclif/core';
import { ControlCommand, controlFlags } from '../../lib/cli/control/control-command.js';
import { pauseView } from '../../lib/cli/views/operations/pause-view.js';
import { pauseQueue } from '../../lib/operations/pause-queue.js';

/** Resumes a paused queue. */
export default class Resume extends ControlCommand<typeof Resume> {
  static override summary = 'resume a paused queue';
  static override examples = ['<%= config.bin %> control resume batch'];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = controlFlags;

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(pauseQueue(this.args.queue, false), pauseView);
  }
}
