import { BaseCommand } from '../../lib/cli/base-command.js';
import { embeddedView } from '../../lib/cli/views/redis-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import type { EmbeddedStatus } from '../../lib/redis/embedded.js';

/** Shows infer's own Redis without starting it. */
export default class RedisStatus extends BaseCommand<typeof RedisStatus> {
  static override summary = "show infer's own private Redis server";
  static override description =
    'Shows whether it runs, where its socket, data and log are, and its memory. Exits 1 when it does not run; starts nothing.';
  static override examples = [
    '<%= config.bin %> redis status',
    "<%= config.bin %> redis status --json | jq -r '.socket'",
  ];

  async run(): Promise<EmbeddedStatus> {
    const { statusEmbedded } = await import('../../lib/redis/embedded.js');
    const status = await statusEmbedded(this.settings.stateDir);
    await this.print(embeddedView(status, this.layout));
    if (!status.running) {
      this.next('infer redis start');
      this.endWith(ExitCode.Negative);
    }
    return status;
  }
}
