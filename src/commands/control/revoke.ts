import { Flags } from '@oclif/core';
import { ControlCommand, consentFlags, controlFlags } from '../../lib/cli/control/control-command.js';
import { revokeWish } from '../../lib/cli/control/revoke-wish.js';
import { SEVERAL } from '../../lib/cli/flags.js';
import { JOB_FLAGS, STATE_FLAG } from '../../lib/cli/inspect/filter-flags.js';
import { revokeView } from '../../lib/cli/views/operations/revoke-view.js';
import { revokeJobs } from '../../lib/operations/revoke-jobs.js';

/** Cancels many jobs. */
export default class Revoke extends ControlCommand<typeof Revoke> {
  static override summary = 'cancel all jobs that match a filter, or the jobs named';
  static override description =
    `A job must fit every filter given. Waiting and delayed jobs end as cancelled at once, running ones within about two seconds.
Asks first; in a pipe it needs --yes.`;
  static override examples = [
    '<%= config.bin %> control revoke --model digits --older-than 1h --dry-run',
    '<%= config.bin %> control revoke -Q batch -s waiting,delayed --yes',
    '<%= config.bin %> control revoke --id ID --id GROUP',
  ];
  static override flags = {
    ...controlFlags,
    ...consentFlags,
    id: Flags.string({
      ...SEVERAL,
      helpValue: '<ids>',
      description: 'cancel these jobs or groups; excludes filters',
    }),
    ...JOB_FLAGS,
    state: STATE_FLAG({ description: 'waiting, delayed, active [default: all three]' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { id, model, queues, priority, worker, state, error } = this.flags;
    const olderThan = this.flags['older-than'];
    const filter = { model, queue: queues, priority, worker, state, olderThan, error };
    return this.carryOut(revokeJobs(revokeWish(id, filter)), revokeView);
  }
}
