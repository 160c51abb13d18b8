import { BaseCommand } from '../../lib/cli/base-command.js';
import { destinationFlag, durationFlag } from '../../lib/cli/flags.js';
import { outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { pingList } from '../../lib/cli/views/ping-list.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import type { Pong } from '../../lib/deployment/ping.js';

const DEFAULT_TIMEOUT_MS = 3000;

/** Checks whether workers respond. */
export default class InspectPing extends BaseCommand<typeof InspectPing> {
  static override summary = "wait for every worker's next heartbeat";
  static override description =
    `Workers report every second: nothing is sent to them, so a read-only Redis user is
enough. Exits 0 when all answered, 3 when some did, 69 when none did.`;
  static override examples = [
    '<%= config.bin %> inspect ping',
    '<%= config.bin %> inspect ping -d gpu-1 -d gpu-2 -t 5s',
    '<%= config.bin %> inspect ping -o name',
  ];
  static override flags = {
    destination: destinationFlag(),
    timeout: durationFlag({ char: 't', description: 'how long to wait for them [default: 3s]' }),
    output: outputFlag(),
  };

  async run(): Promise<{ workers: Pong[] }> {
    const { readDeployment } = await import('../../lib/deployment/deployment-reader.js');
    const { ping } = await import('../../lib/deployment/ping.js');
    const { destination, timeout = DEFAULT_TIMEOUT_MS } = this.flags;
    const { format } = this.listTarget;
    const workers: Pong[] = [];
    const heard = async function* (pongs: AsyncIterable<Pong>): AsyncGenerator<Pong> {
      for await (const pong of pongs) {
        workers.push(pong);
        // Names are for use in other commands: only those of workers that responded.
        if (pong.answered || format !== 'name') yield pong;
      }
    };
    await readDeployment(
      this.loaded,
      (reader) => printList(this.listTarget, pingList, heard(ping(reader, destination, timeout))),
      { patienceMs: timeout },
    );
    const answered = workers.filter((worker) => worker.answered).length;
    if (answered === 0) this.endWith(ExitCode.Unavailable);
    else if (answered < workers.length) this.endWith(ExitCode.Partial);
    if (!this.jsonEnabled()) this.note(`${answered} of ${workers.length} answered`);
    return { workers };
  }
}
