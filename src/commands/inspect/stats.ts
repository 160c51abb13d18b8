import { destinationFlag, manyQueuesFlag } from '../../lib/cli/flags.js';
import { InspectCommand } from '../../lib/cli/inspect/inspect-command.js';
import { statScreen } from '../../lib/cli/inspect/screens.js';
import { outputFlag, printList } from '../../lib/cli/output/list-format.js';

/** Shows throughput and latency by queue and by worker. */
export default class InspectStats extends InspectCommand<typeof InspectStats> {
  static override summary = 'show throughput and latency percentiles, by queue and by worker';
  static override description =
    `Each queue over the last minute and since its workers started, then each worker's share. Percentiles of
several workers come from their merged sketches, right to 1 %, and are no averages.`;
  static override examples = [
    '<%= config.bin %> inspect stats',
    '<%= config.bin %> inspect stats -Q realtime -d gpu-1',
    '<%= config.bin %> inspect stats -o ndjson | jq \'select(.over == "minute") | {queue, worker, totalMs}\'',
  ];
  static override flags = {
    ...InspectCommand.watchFlags,
    queues: manyQueuesFlag('only these queues'),
    destination: destinationFlag(),
    output: outputFlag(),
  };

  run(): Promise<unknown> {
    const { queues, destination: destinations } = this.flags;
    return this.show(
      statScreen({ queues, destinations }, this.tableFormat, (...list) =>
        printList(this.listTarget, ...list),
      ),
    );
  }
}
