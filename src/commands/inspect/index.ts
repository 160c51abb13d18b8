import { manyQueuesFlag } from '../../lib/cli/flags.js';
import { InspectCommand } from '../../lib/cli/inspect/inspect-command.js';
import { overviewScreen } from '../../lib/cli/inspect/screens.js';

/** Shows the current state of queues and workers. */
export default class Inspect extends InspectCommand<typeof Inspect> {
  static override summary = 'show queues, workers and Redis, and what is wrong right now';
  static override description =
    'Reads only; starts nothing. Waiting counts include prioritized jobs, so waiting is the backlog.';
  static override examples = [
    '<%= config.bin %> inspect',
    '<%= config.bin %> inspect -Q realtime',
    '<%= config.bin %> inspect --watch',
    "<%= config.bin %> inspect --json | jq '.queues[] | {name, waiting, oldestMs}'",
  ];
  static override flags = { ...InspectCommand.watchFlags, queues: manyQueuesFlag('only these queues') };

  run(): Promise<unknown> {
    const wanted = { queues: this.flags.queues };
    return this.show(overviewScreen(wanted, this.layout, (lines) => this.print(lines)));
  }
}
