import { BaseCommand } from '../../lib/cli/base-command.js';
import { wholeFlag } from '../../lib/cli/flags.js';
import { filterOf, JOB_FLAGS } from '../../lib/cli/inspect/filter-flags.js';
import { listJson, outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { activeList } from '../../lib/cli/views/job-lists.js';
import { count, plural } from '../../lib/core/counts.js';
import { serverTime } from '../../lib/redis/server-clock.js';

interface ActiveListJson {
  active: unknown[];
  /** Running jobs, regardless of the filter. */
  total: number;
}

/** Lists running jobs. */
export default class InspectActive extends BaseCommand<typeof InspectActive> {
  static override summary = 'list the running jobs, with worker and device';
  static override description =
    `The longest-running first. LOCK is the time until the lock expires, which the worker renews every second; "lost" means that the worker died or fell silent: another will take over the job.`;
  static override examples = [
    '<%= config.bin %> inspect active',
    '<%= config.bin %> inspect active --older-than 1m',
    "<%= config.bin %> inspect active -d gpu-worker-1 --json | jq '.active[].id'",
  ];
  static override flags = {
    ...JOB_FLAGS,
    limit: wholeFlag({
      min: 1,
      max: 10_000,
      char: 'n',
      default: 200,
      description: 'maximum number of jobs to show',
    }),
    output: outputFlag(),
  };

  async run(): Promise<ActiveListJson> {
    const filter = filterOf(this.flags, ['active']);
    const { withRedis } = await import('../../lib/redis/with-redis.js');
    const { listActive } = await import('../../lib/queue/read/job-active.js');
    const { countJobs } = await import('../../lib/queue/read/job-list.js');
    const { refuseUnknownNames } = await import('../../lib/deployment/known-names.js');
    const { found, total } = await withRedis(this.loaded, async (client, prefix) => {
      const [active, size] = await Promise.all([
        listActive(client, prefix, filter, this.flags.limit ?? 200),
        countJobs(client, prefix, filter),
      ]);
      if (active.jobs.length === 0) await refuseUnknownNames(client, prefix, filter);
      return { found: active, total: size.total };
    });
    const view = activeList(serverTime());
    await printList(this.listTarget, view, found.jobs);
    if (found.jobs.length < total)
      this.note(`${plural(found.jobs.length, 'job')} of ${count(total)} that run`);
    return { active: listJson(view, found.jobs), total };
  }
}
