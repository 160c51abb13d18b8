import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { manyQueuesFlag } from '../lib/cli/flags.js';
import { plural } from '../lib/cli/output/text.js';
import { InferError } from '../lib/core/errors.js';
import { ExitCode } from '../lib/core/exit-codes.js';

interface RetryJson {
  /** Jobs that wait again, by queue. */
  retried: Record<string, number>;
  /** Jobs named that are not in the failed set. */
  notFailed: string[];
}

/** Runs failed jobs again: the failed set is the dead-letter queue. */
export default class Retry extends BaseCommand<typeof Retry> {
  static override summary = 'run failed jobs again, each at its own priority';
  static override description =
    `Puts a failed job, the failed jobs of a group, or with --failed every failed job of the queues back to waiting, with all their attempts before them.
Failed jobs and their input are kept for a week, unless their worker was started with another --failed-ttl. Exits 1 when a job named had not failed, 66 when it is unknown.`;
  static override examples = [
    '<%= config.bin %> retry ID',
    '<%= config.bin %> retry GROUP',
    '<%= config.bin %> retry --failed -Q batch',
  ];
  static override args = { id: Args.string({ description: 'id of a failed job, or of a group' }) };
  static override flags = {
    failed: Flags.boolean({ description: 'all failed jobs of the queues given with -Q' }),
    queues: manyQueuesFlag('with --failed: these queues'),
  };

  async run(): Promise<RetryJson> {
    const { id } = this.args;
    const { failed, queues } = this.flags;
    if ((id === undefined) === !failed) {
      throw new InferError('RETRY_WHAT', 'name a job, or --failed with the queues', {
        hint: 'infer retry ID, or infer retry --failed -Q batch',
        exitCode: ExitCode.Usage,
      });
    }
    if (failed && queues === undefined) {
      throw new InferError('RETRY_QUEUES', '--failed needs the queues it is meant for', {
        hint: 'infer retry --failed -Q batch',
        exitCode: ExitCode.Usage,
      });
    }
    const { withClient } = await import('../lib/cli/open-client.js');
    return withClient(this.loaded, false, async (client) => {
      const retried: Record<string, number> = {};
      const notFailed: string[] = [];
      if (id === undefined) {
        for (const queue of queues ?? []) retried[queue] = await client.retryFailed(queue);
      } else {
        const { queue, count } = await client.retry(id);
        retried[queue] = count;
        if (count === 0) notFailed.push(id);
      }
      const total = Object.values(retried).reduce((sum, n) => sum + n, 0);
      await this.print(`${plural(total, 'job')} waiting again`);
      if (notFailed.length > 0) {
        this.note('it has not failed, so there is nothing to run again');
        this.endWith(ExitCode.Negative);
      }
      return { retried, notFailed };
    });
  }
}
