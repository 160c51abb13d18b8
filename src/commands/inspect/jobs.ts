import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { wholeFlag } from '../../lib/cli/flags.js';
import { filterOf, JOB_FLAGS, STATE_FLAG } from '../../lib/cli/inspect/filter-flags.js';
import { listJson, outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { jobsList } from '../../lib/cli/views/job-lists.js';
import { pageSize } from '../../lib/cli/views/page-size.js';
import { JOB_ORDERS } from '../../lib/queue/read/job-list.js';
import { serverTime } from '../../lib/redis/server-clock.js';

interface JobsJson {
  jobs: unknown[];
  /** Jobs that the filter may select, by the sizes of the indexes; it selects all of them if `exact`. */
  total: number;
  exact: boolean;
  /** Records that were looked at. */
  looked: number;
  /** Value of --cursor for the next page; null when there is none. */
  next: string | null;
}

/** Without --state, ended jobs are not looked at, so "there are none" would not be true. */
const NOTHING_LEFT =
  'no waiting or running jobs found; ended jobs: --state completed,failed,expired,cancelled';

/** Lists jobs of any state, page by page. */
export default class InspectJobs extends BaseCommand<typeof InspectJobs> {
  static override summary = 'list jobs by state, queue, model, priority, age, error or worker';
  static override description =
    `Shows running jobs, waiting jobs in the order in which they will run, and ended jobs, the latest first. AGE is the time in that state.
A page looks at 10,000 jobs at most, so it is just as fast with a million; the cursor of the next page is on standard error, or "next" in JSON. With --sort there is one page. Exits 66 when nothing is found for a queue, model or worker that does not exist.`;
  static override examples = [
    '<%= config.bin %> inspect jobs',
    '<%= config.bin %> inspect jobs -s failed,delayed --error TIME_LIMIT -o wide',
    '<%= config.bin %> inspect jobs -s waiting --older-than 5m --sort age',
    '<%= config.bin %> inspect jobs -s waiting -Q batch -o name | head -n 100 | xargs -n 1 infer cancel',
  ];
  static override flags = {
    state: STATE_FLAG({
      description: 'waiting, delayed, active, completed, failed, expired, cancelled [default: not ended]',
    }),
    ...JOB_FLAGS,
    sort: Flags.option({
      options: JOB_ORDERS,
      helpValue: JOB_ORDERS.join('|'),
      description: 'oldest, most urgent, largest, longest run or most tried first',
    })(),
    reverse: Flags.boolean({ char: 'r', description: 'reverse the order' }),
    limit: wholeFlag({
      min: 1,
      max: 10_000,
      char: 'n',
      default: 50,
      description: 'maximum number of jobs to show',
    }),
    cursor: Flags.string({
      helpValue: '<cursor>',
      description: 'cursor for the next page, printed with the previous one',
    }),
    output: outputFlag(),
  };

  async run(): Promise<JobsJson> {
    const filter = filterOf(this.flags, this.flags.state);
    const { readJobs } = await import('../../lib/deployment/read-jobs.js');
    const { sort, reverse, limit, cursor } = this.flags;
    const page = await readJobs(this.loaded, filter, { sort, reverse, limit: limit ?? 50, cursor });
    const unsaid = this.flags.state === undefined && this.flags.error === undefined;
    const view = jobsList(serverTime(), unsaid ? NOTHING_LEFT : undefined);
    await printList(this.listTarget, view, page.jobs);
    const size = pageSize(page);
    if (size !== undefined) this.note(size);
    if (page.next !== undefined) {
      const { nextPageCommand } = await import('../../lib/cli/inspect/next-page.js');
      this.next(nextPageCommand('inspect:jobs', this.argv, page.next));
    }
    const { total, exact, looked, next } = page;
    return { jobs: listJson(view, page.jobs), total, exact, looked, next: next ?? null };
  }
}
