import { Args } from '@oclif/core';
import { ControlCommand, controlFlags } from '../../lib/cli/control/control-command.js';
import { priorityFlag } from '../../lib/cli/flags.js';
import { priorityView } from '../../lib/cli/views/operations/job-rows-view.js';
import { prioritiseJobs } from '../../lib/operations/set-priority.js';

/** Makes waiting jobs more or less urgent. */
export default class PriorityCommand extends ControlCommand<typeof PriorityCommand> {
  static override summary = 'give waiting jobs another priority';
  static override description =
    `Jobs are named by their ids, or by that of their group. Each goes behind the jobs already waiting at that priority; running and ended jobs are left alone.
Exits 3 when some of them are no longer waiting, 1 when none is.`;
  static override examples = [
    '<%= config.bin %> control priority ID --priority 9',
    '<%= config.bin %> control priority GROUP -p 0',
  ];
  static override strict = false;
  static override args = {
    job: Args.string({ required: true, description: 'id of a job or group; several' }),
  };
  static override flags = {
    ...controlFlags,
    priority: priorityFlag({ required: true, description: '9 is the most urgent, 0 the least' }),
  };

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(prioritiseJobs(this.words, this.flags.priority), priorityView);
  }
}
