import { BaseCommand } from '../../lib/cli/base-command.js';
import { startSpinner } from '../../lib/cli/output/progress.js';

export interface RedisStopJson {
  stopped: boolean;
  pid: number | null;
}

/** Stops infer's own Redis; having nothing to stop is a success too. */
export default class RedisStop extends BaseCommand<typeof RedisStop> {
  static override summary = "stop infer's own private Redis server";
  static override description =
    'Writes everything to disk and ends the server; jobs and results are available again after the next start.';
  static override examples = ['<%= config.bin %> redis stop'];

  async run(): Promise<RedisStopJson> {
    const { stopEmbedded } = await import('../../lib/redis/embedded.js');
    const spinner = await startSpinner('stopping Redis', this.progress);
    try {
      const { stopped, pid } = await stopEmbedded(this.settings.stateDir);
      spinner.succeed(stopped ? `Redis stopped (pid ${pid}); its data is kept` : 'Redis was not running');
      return { stopped, pid: pid ?? null };
    } finally {
      spinner.stop();
    }
  }
}
