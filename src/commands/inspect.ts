import { BaseCommand } from '../lib/cli/base-command.js';
import { manyQueuesFlag } from '../lib/cli/flags.js';
import { inspectView } from '../lib/cli/views/inspect-view.js';
import { type OverviewJson, overviewJson } from '../lib/cli/views/overview.js';

/** Shows queues and workers as they stand. */
export default class Inspect extends BaseCommand<typeof Inspect> {
  static override summary = 'show queues, workers and Redis, and what is wrong right now';
  static override description =
    'Reads only; starts nothing. Waiting counts include prioritized jobs, so waiting is the backlog.';
  static override examples = [
    '<%= config.bin %> inspect',
    '<%= config.bin %> inspect -Q realtime',
    "<%= config.bin %> inspect --json | jq '.queues[] | {name, waiting, oldestMs}'",
  ];
  static override flags = { queues: manyQueuesFlag('only these queues') };

  async run(): Promise<OverviewJson> {
    const { readOverview } = await import('../lib/cli/read-overview.js');
    const overview = await readOverview(this.loaded, this.flags.queues);
    await this.print(inspectView(overview, this.layout, Date.now()));
    return overviewJson(overview);
  }
}
