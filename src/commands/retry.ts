import { Args, Flags } from '@oclif/core';
import { settingFlag } from '../lib/cli/flags.js';
import { JOB_FLAGS } from '../lib/cli/inspect/filter-flags.js';
import { OperatorCommand, operatorFlags } from '../lib/cli/operator-command.js';
import { listJson } from '../lib/cli/output/list-format.js';
import { retryWish } from '../lib/cli/retry-wish.js';
import { leftAloneExit } from '../lib/cli/views/operations/view.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import { printable } from '../lib/core/printable.js';
import { sumOf } from '../lib/operations/audit-text.js';
import { type RetryWish, retryJobs } from '../lib/operations/retry-jobs.js';
import { preview } from '../lib/operations/run.js';
import { retriedText } from '../lib/queue/audit-summary.js';
import { serverTime } from '../lib/redis/server-clock.js';

interface RetryJson {
  /** Jobs that were, or would be, requeued, by queue. */
  retried: Record<string, number>;
  /** Given jobs that are not in the failed set. */
  notFailed: string[];
  /** Set if there are any. */
  code?: 'NOT_FAILED';
  /** Failed jobs that a newer infer submitted; they are left alone. */
  newer: number;
  /** Set by --dry-run: nothing was done. */
  dryRun?: true;
  /** With --dry-run, the first 20 of them. */
  jobs?: unknown[];
}

/** Runs failed jobs again: the failed set is the dead-letter queue. */
export default class Retry extends OperatorCommand<typeof Retry> {
  static override summary = 'run failed jobs again, each at its own priority';
  static override description =
    `Puts a failed job, the failed jobs of a group, or with --failed every failed job that fits all filters back to waiting. Each has all its attempts again.
With --dry-run, counts the jobs and lists the first 20, and changes nothing. --time-limit gives them a new time limit, for jobs that failed with TIME_LIMIT; a worker's own --time-limit still holds.
Failed jobs and their input are kept for a week, unless their worker was started with another --failed-ttl. Exits 1 if a named job had not failed, 66 if it is unknown, and 3 if jobs of a newer infer were left alone.`;
  static override examples = [
    '<%= config.bin %> retry ID',
    '<%= config.bin %> retry GROUP --dry-run',
    '<%= config.bin %> retry --failed -Q batch --dry-run',
    '<%= config.bin %> retry --failed --error RUNNER_DIED --model digits',
    '<%= config.bin %> retry --failed --error TIME_LIMIT --time-limit 10m',
  ];
  static override args = { id: Args.string({ description: 'id of a failed job, or of a group' }) };
  static override flags = {
    failed: Flags.boolean({ description: 'all failed jobs that fit the filters' }),
    'dry-run': Flags.boolean({ description: 'show which jobs would run again, and change nothing' }),
    'time-limit': settingFlag('timeLimit', {
      description: 'time limit of these jobs from now on [default: the one they have]',
    }),
    ...JOB_FLAGS,
    ...operatorFlags,
  };

  async run(): Promise<RetryJson> {
    const wish = retryWish(this.args.id, this.flags);
    if (this.flags['dry-run']) return this.preview(wish);
    const operation = retryJobs(wish, this.timeLimit);
    const outcome = await this.withContext((context) => this.perform(operation, context, 'retrying'));
    const { retried, jobs, newer } = outcome;
    await this.print(retriedText(jobs, newer));
    const exitCode = leftAloneExit(jobs, newer);
    if (exitCode !== undefined) this.endWith(exitCode);
    return { retried, ...this.saidOf(this.args.id, jobs), newer };
  }

  private async preview(wish: RetryWish): Promise<RetryJson> {
    const [{ retryPreviewView }, { failedList }] = await Promise.all([
      import('../lib/cli/views/retry-view.js'),
      import('../lib/cli/views/job-lists.js'),
    ]);
    const plan = await this.withContext((context) => preview(retryJobs(wish, this.timeLimit), context));
    const now = serverTime();
    await this.print(retryPreviewView(plan, this.timeLimit, this.layout, now));
    const said = this.saidOf(this.args.id, sumOf(plan.counts));
    this.note('dry run: nothing was changed');
    return {
      retried: plan.counts,
      ...said,
      newer: plan.newer,
      dryRun: true,
      jobs: listJson(failedList(now), plan.jobs),
    };
  }

  /** Only a limit given as a flag: the one from the environment applies to submitted jobs. */
  private get timeLimit(): number | undefined {
    return this.loaded.sources.timeLimit.kind === 'flag' ? this.settings.timeLimit : undefined;
  }

  /** A given job had not failed: say so and exit with 1. */
  private saidOf(id: string | undefined, total: number): Pick<RetryJson, 'notFailed' | 'code'> {
    if (id === undefined || total > 0) return { notFailed: [] };
    this.note(`${printable(id)}: no failed job to run again`);
    this.endWith(ExitCode.Negative);
    return { notFailed: [id], code: 'NOT_FAILED' };
  }
}
