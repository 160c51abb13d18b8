import { destinationFlag, manyQueuesFlag } from '../../lib/cli/flags.js';
import { InspectCommand } from '../../lib/cli/inspect/inspect-command.js';
import { workerScreen } from '../../lib/cli/inspect/screens.js';
import { outputFlag, printList } from '../../lib/cli/output/list-format.js';

/** Shows each worker's configuration and state. */
export default class InspectWorkers extends InspectCommand<typeof InspectWorkers> {
  static override summary = 'show what each worker does: throughput, latency, micro-batches, memory';
  static override description =
    `Rates, latency and micro-batches cover the last minute. digits@1×128: version 1, of which 128 rows run
together now. CLOSED says why micro-batches were closed: full, idle (no more jobs waiting), urgent (the rest was of a less urgent queue), window (its time
was up), retry (split after a failure). LAG is how late the worker's event loop was.`;
  static override examples = [
    '<%= config.bin %> inspect workers',
    '<%= config.bin %> inspect workers -d gpu-1 -o wide',
    '<%= config.bin %> inspect workers -Q realtime --watch',
  ];
  static override flags = {
    ...InspectCommand.watchFlags,
    queues: manyQueuesFlag('only workers of these queues, and what they do for them'),
    destination: destinationFlag(),
    output: outputFlag(),
  };

  run(): Promise<unknown> {
    const { queues, destination: destinations } = this.flags;
    return this.show(
      workerScreen({ queues, destinations }, this.tableFormat, (...list) =>
        printList(this.listTarget, ...list),
      ),
    );
  }
}
