import { Args } from '@oclif/core';
import { ControlCommand, controlFlags } from '../../lib/cli/control/control-command.js';
import { pauseDeed } from '../../lib/cli/control/pause-queue.js';

/** Lets a queue rest. */
export default class Pause extends ControlCommand<typeof Pause> {
  static override summary = 'let a queue rest: what runs is finished, nothing new is started';
  static override description =
    `Jobs can still be submitted, and wait. A queue that is paused already stays so.`;
  static override examples = ['<%= config.bin %> control pause batch'];
  static override args = { queue: Args.string({ required: true, description: 'name of the queue' }) };
  static override flags = controlFlags;

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(pauseDeed(this.args.queue, true));
  }
}
