import { manyQueuesFlag } from '../../lib/cli/flags.js';
import { InspectCommand } from '../../lib/cli/inspect/inspect-command.js';
import { queueScreen } from '../../lib/cli/inspect/screens.js';
import { outputFlag, printList } from '../../lib/cli/output/list-format.js';

/** Shows depth, flow and latency of each queue. */
export default class InspectQueues extends InspectCommand<typeof InspectQueues> {
  static override summary =
    'show how deep each queue is, how fast it fills and drains, and how long jobs take';
  static override description =
    `Rates and latency cover the last minute, or the time since work began in it. DRAINED IN is the
backlog divided by the completion rate less arrivals; 'growing': more arrives than is completed.
Percentiles are accurate to 1 % and cover all workers.`;
  static override examples = [
    '<%= config.bin %> inspect queues',
    '<%= config.bin %> inspect queues -Q realtime -o wide',
    '<%= config.bin %> inspect queues --watch 1',
    "<%= config.bin %> inspect queues --json | jq '.queues[] | {name, p99: .lastMinute.totalMs.p99}'",
  ];
  static override flags = {
    ...InspectCommand.watchFlags,
    queues: manyQueuesFlag('only these queues'),
    output: outputFlag(),
  };

  run(): Promise<unknown> {
    const wanted = { queues: this.flags.queues };
    return this.show(queueScreen(wanted, this.tableFormat, (...list) => printList(this.listTarget, ...list)));
  }
}
