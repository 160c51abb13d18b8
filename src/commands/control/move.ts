import { Args, Flags } from '@oclif/core';
import { ControlCommand, consentFlags, controlFlags } from '../../lib/cli/control/control-command.js';
import { moveView } from '../../lib/cli/views/operations/job-rows-view.js';
import { moveJobs } from '../../lib/operations/move-jobs.js';

/** Moves waiting jobs to another queue. */
export default class Move extends ControlCommand<typeof Move> {
  static override summary = 'move waiting jobs to another queue';
  static override description =
    `Jobs are named by their ids, or by that of their group. They keep id, priority, input, deadline and attempts, and clients that wait for them keep waiting. In the new queue they go behind the jobs of the same priority. Running and ended jobs stay where they are.
A job is always in exactly one queue, even if this command is interrupted: workers of the target queue complete or undo a move that was cut short.
More than one job: asks first; in a pipe it needs --yes. Exits 3 when some could not be moved, 1 when none could.`;
  static override examples = [
    '<%= config.bin %> control move ID --to realtime',
    '<%= config.bin %> control move GROUP --to batch2 --dry-run',
  ];
  static override strict = false;
  static override args = {
    job: Args.string({ required: true, description: 'id of a job or group; several' }),
  };
  static override flags = {
    ...controlFlags,
    ...consentFlags,
    to: Flags.string({
      required: true,
      helpValue: '<queue>',
      description: 'queue to move to; it need not exist yet',
    }),
  };

  async run(): Promise<Record<string, unknown>> {
    return this.carryOut(moveJobs(this.words, this.flags.to), moveView);
  }
}
