import { Flags } from '@oclif/core';
import { ControlCommand, consentFlags, controlFlags } from '../../lib/cli/control/control-command.js';
import { revokeDeed } from '../../lib/cli/control/revoke-jobs.js';
import { manyQueuesFlag } from '../../lib/cli/flags.js';

const SEVERAL = { multiple: true, multipleNonGreedy: true, delimiter: ',' } as const;

/** Cancels many jobs. */
export default class Revoke extends ControlCommand<typeof Revoke> {
  static override summary = 'cancel all jobs that a filter means';
  static override description =
    `A job must fit every filter given. Waiting and delayed jobs end as cancelled at once, running ones within about two seconds.
Asks first; in a pipe it needs --yes.`;
  static override examples = [
    '<%= config.bin %> control revoke --model digits --older-than 1h --dry-run',
    '<%= config.bin %> control revoke -Q batch --state waiting,delayed --yes',
    '<%= config.bin %> control revoke --id ID --id GROUP',
  ];
  static override flags = {
    ...controlFlags,
    ...consentFlags,
    id: Flags.string({
      ...SEVERAL,
      description: 'these jobs or groups; no other filter then',
      exclusive: ['model', 'queues', 'older-than', 'state', 'error'],
    }),
    model: Flags.string({ ...SEVERAL, char: 'm', description: 'only jobs of these models' }),
    queues: manyQueuesFlag('only jobs of these queues'),
    state: Flags.string({ ...SEVERAL, description: 'waiting, delayed, active [default: all three]' }),
    'older-than': Flags.string({
      helpValue: '<time>',
      description: 'only jobs longer in their state than this',
    }),
    error: Flags.string({ description: 'only jobs whose last failure has this code or text' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { id, model, queues, state, error } = this.flags;
    const filter = { model, queue: queues, state, olderThan: this.flags['older-than'], error };
    return this.carryOut(revokeDeed(id, filter, this.progress));
  }
}
