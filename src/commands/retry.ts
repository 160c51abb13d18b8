import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { filterOf, JOB_FLAGS } from '../lib/cli/inspect/filter-flags.js';
import { plural } from '../lib/cli/output/text.js';
import { InferError } from '../lib/core/errors.js';
import { ExitCode } from '../lib/core/exit-codes.js';

interface RetryJson {
  /** Jobs that wait again, by queue. */
  retried: Record<string, number>;
  /** Jobs named that are not in the failed set. */
  notFailed: string[];
}

const FILTERS = Object.keys(JOB_FLAGS) as (keyof typeof JOB_FLAGS)[];

/** Runs failed jobs again: the failed set is the dead-letter queue. */
export default class Retry extends BaseCommand<typeof Retry> {
  static override summary = 'run failed jobs again, each at its own priority';
  static override description =
    `Puts a failed job, the failed jobs of a group, or with --failed every failed job that fits all filters back to waiting, with all their attempts before them.
Failed jobs and their input are kept for a week, unless their worker was started with another --failed-ttl. Exits 1 when a job named had not failed, 66 when it is unknown.`;
  static override examples = [
    '<%= config.bin %> retry ID',
    '<%= config.bin %> retry GROUP',
    '<%= config.bin %> retry --failed -Q batch',
    '<%= config.bin %> retry --failed --error RUNNER_DIED --model digits',
  ];
  static override args = { id: Args.string({ description: 'id of a failed job, or of a group' }) };
  static override flags = {
    failed: Flags.boolean({ description: 'all failed jobs that the other flags mean' }),
    ...JOB_FLAGS,
  };

  async run(): Promise<RetryJson> {
    const { id } = this.args;
    const { failed } = this.flags;
    const filters = FILTERS.filter((name) => this.flags[name] !== undefined);
    if ((id === undefined) === !failed) {
      throw new InferError('RETRY_WHAT', 'name a job, or --failed with the queues', {
        hint: 'infer retry ID, or infer retry --failed -Q batch',
        exitCode: ExitCode.Usage,
      });
    }
    if (id !== undefined && filters.length > 0) {
      throw new InferError('RETRY_WHAT', `--${filters[0]} is for --failed, and a job was named`, {
        hint: `infer retry ${id}, or infer retry --failed with filters`,
        exitCode: ExitCode.Usage,
      });
    }
    if (failed && filters.length === 0) {
      throw new InferError('RETRY_QUEUES', '--failed needs the queues it is meant for, or another filter', {
        hint: 'infer retry --failed -Q batch',
        exitCode: ExitCode.Usage,
      });
    }
    return id === undefined ? this.retryFailed() : this.retryNamed(id);
  }

  private async retryFailed(): Promise<RetryJson> {
    const { retryFailed } = await import('../lib/cli/retry-failed.js');
    const retried = await retryFailed(this.loaded, filterOf(this.flags, ['failed']));
    const total = Object.values(retried).reduce((sum, n) => sum + n, 0);
    await this.print(`${plural(total, 'job')} waiting again`);
    return { retried, notFailed: [] };
  }

  private async retryNamed(id: string): Promise<RetryJson> {
    const { withClient } = await import('../lib/cli/open-client.js');
    const { queue, count } = await withClient(this.loaded, false, (client) => client.retry(id));
    await this.print(`${plural(count, 'job')} waiting again`);
    if (count === 0) {
      this.note('it has not failed, so there is nothing to run again');
      this.endWith(ExitCode.Negative);
    }
    return { retried: { [queue]: count }, notFailed: count === 0 ? [id] : [] };
  }
}
