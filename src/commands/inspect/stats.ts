import { Flags } from '@oclif/core';
import { destinationFlag, manyQueuesFlag } from '../../lib/cli/flags.js';
import { InspectCommand } from '../../lib/cli/inspect/inspect-command.js';
import { statScreen } from '../../lib/cli/inspect/screens.js';
import { outputFlag, printList } from '../../lib/cli/output/list-format.js';

/** Shows throughput and latency by queue, and by worker or model. */
export default class InspectStats extends InspectCommand<typeof InspectStats> {
  static override summary = 'show throughput, failures and latency percentiles, by queue and worker or model';
  static override description =
    `Each queue over the last minute and since its workers started, then the share of each worker, or with --by model of each model. Percentiles of
several workers are computed from their merged sketches, accurate to 1 %, not averaged.`;
  static override examples = [
    '<%= config.bin %> inspect stats',
    '<%= config.bin %> inspect stats -Q realtime -d gpu-1',
    '<%= config.bin %> inspect stats --by model -o wide',
    '<%= config.bin %> inspect stats -o ndjson | jq \'select(.over == "minute") | {queue, worker, totalMs}\'',
  ];
  static override flags = {
    ...InspectCommand.watchFlags,
    queues: manyQueuesFlag('only these queues'),
    destination: destinationFlag(),
    by: Flags.option({
      options: ['worker', 'model'] as const,
      default: 'worker',
      description: 'what to break each queue down by',
    })(),
    output: outputFlag(),
  };

  run(): Promise<unknown> {
    const { queues, destination: destinations, by } = this.flags;
    return this.show(
      statScreen({ queues, destinations }, by, this.tableFormat, (...list) =>
        printList(this.listTarget, ...list),
      ),
    );
  }
}
