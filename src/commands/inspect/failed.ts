import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { wholeFlag } from '../../lib/cli/flags.js';
import { filterOf, JOB_FLAGS } from '../../lib/cli/inspect/filter-flags.js';
import { listJson, outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { failedList } from '../../lib/cli/views/job-lists.js';
import { pageSize } from '../../lib/cli/views/page-size.js';
import type { FailureGroup } from '../../lib/deployment/failures.js';
import { serverTime } from '../../lib/redis/server-clock.js';

interface FailedJson {
  /** By error code, among the `summaryOf` most recent matching failures. */
  summary: FailureGroup[];
  summaryOf: number;
  jobs: unknown[];
  /** Failed jobs of the queues, regardless of other filters. */
  total: number;
  next: string | null;
}

/** Shows which jobs failed, and why. */
export default class InspectFailed extends BaseCommand<typeof InspectFailed> {
  static override summary = 'show why jobs failed, and which: a summary by error, then the list';
  static override description =
    `The failed set is the dead-letter queue: jobs and their input are kept for a week unless their worker was started with another --failed-ttl. The summary, on a terminal and in JSON, covers the last 2,000 failures. In a pipe there is only the list.`;
  static override examples = [
    '<%= config.bin %> inspect failed',
    '<%= config.bin %> inspect failed -Q batch --error OUT_OF_MEMORY',
    "<%= config.bin %> inspect failed --json | jq '.summary[] | {code, jobs, fix}'",
  ];
  static override flags = {
    ...JOB_FLAGS,
    reverse: Flags.boolean({ char: 'r', description: 'oldest failures first' }),
    limit: wholeFlag({
      min: 1,
      max: 10_000,
      char: 'n',
      default: 50,
      description: 'maximum number of jobs to list',
    }),
    cursor: Flags.string({
      helpValue: '<cursor>',
      description: 'cursor for the next page, printed with the previous one',
    }),
    output: outputFlag(),
  };

  async run(): Promise<FailedJson> {
    const filter = filterOf(this.flags, ['failed']);
    const { readFailed } = await import('../../lib/deployment/read-failed.js');
    const { failuresView } = await import('../../lib/cli/views/failures-view.js');
    const { reverse, limit, cursor } = this.flags;
    const target = this.listTarget;
    const { page, groups, sampled } = await readFailed(this.loaded, filter, {
      reverse,
      limit: limit ?? 50,
      cursor,
    });
    const now = serverTime();
    const view = failedList(now);
    const table = target.format === 'table' || target.format === 'wide';
    if (table && target.layout.tty && groups.length > 0 && cursor === undefined) {
      await this.print(failuresView(groups, { looked: sampled, total: page.total }, target.layout, now));
    }
    await printList(target, view, page.jobs);
    const size = pageSize(page);
    if (size !== undefined) this.note(size);
    if (page.next !== undefined) {
      const { nextPageCommand } = await import('../../lib/cli/inspect/next-page.js');
      this.next(nextPageCommand('inspect:failed', this.argv, page.next));
    }
    const jobs = listJson(view, page.jobs);
    return { summary: groups, summaryOf: sampled, jobs, total: page.total, next: page.next ?? null };
  }
}
