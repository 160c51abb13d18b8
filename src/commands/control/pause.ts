import { Args } from '@oclif/core';
import { ControlCommand, controlFlags } from '../../lib/cli/control/control-command.js';
import { pauseView } from '../../lib/cli/views/operations/pause-view.js';
import { pauseQueue } from '../../lib/operations/pause-queue.js';

/** Pauses a queue. */
export default class Pause extends ControlCommand<typeof Pause> {
  static override summary = 'pause a queue: running jobs finish, no new ones start';
  static override description =
    `Jobs can still be submitted; they wait. Pausing a paused queue changes nothing.`;
  static override examples = ['<%= config.bin %> control pause batch'];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = controlFlags;

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(pauseQueue(this.args.queue, true), pauseView);
  }
}
