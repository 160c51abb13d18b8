import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags } from '../lib/cli/flags.js';
import { outliveRejections } from '../lib/cli/outlive-rejections.js';
import { addressFlags, checkBasePath, checkHostName } from '../lib/cli/serve-flags.js';
import { untilDrained } from '../lib/cli/until-drained.js';
import { dashboardBanner } from '../lib/cli/views/dashboard-banner.js';
import { ExitCode } from '../lib/core/exit-codes.js';

/** Requests are short; streams end at once. */
const DRAIN_MS = 5000;

/** The web page on which a deployment is watched and steered. */
export default class Dashboard extends BaseCommand<typeof Dashboard> {
  static override summary = 'show queues, workers and jobs on a web page';
  static override description =
    `Serves a page that shows what the deployment is doing, what is wrong with it and what helps, live. It reads only, unless --allow-control is given.
On 127.0.0.1 no token is needed to look. An address that other machines can reach needs a token file, and so does --allow-control; the page asks for a token with the scope read:all, and control for actions.
The first Ctrl-C (or SIGTERM) ends open streams and answers open requests; a second one exits immediately.`;
  static override examples = [
    '<%= config.bin %> dashboard',
    '<%= config.bin %> dashboard --allow-control --token-file tokens.json',
    '<%= config.bin %> dashboard --host 0.0.0.0 --token-file tokens.json --server-name infer.example.com',
    '<%= config.bin %> dashboard --base-path /infer',
  ];
  static override flags = {
    ...settingFlags('tokenFile', 'logLevel'),
    ...addressFlags(5555),
    'allow-control': Flags.boolean({
      default: false,
      description: 'offer actions: pause, purge, drain, restart, retry, cancel; needs tokens',
    }),
  };

  async run(): Promise<{ url: string }> {
    const { startDashboard } = await import('../lib/serve/serve-dashboard.js');
    const { createLogger } = await import('../lib/telemetry/logger.js');
    const { preferSmallHeap } = await import('../lib/serve/dashboard/small-heap.js');
    preferSmallHeap();
    const { host, port = 5555 } = this.flags;
    const { tokenFile } = this.settings;
    const log = createLogger({ level: this.settings.logLevel, color: !this.settings.noColor });
    outliveRejections(log);
    const control = this.flags['allow-control'];
    const running = await startDashboard({
      loaded: this.loaded,
      host,
      port,
      basePath: checkBasePath(this.flags['base-path']),
      control,
      tokenFile,
      serverNames: (this.flags['server-name'] ?? []).map(checkHostName),
      version: this.config.version,
      log,
    });
    const ended = untilDrained(running, DRAIN_MS, (line) => this.note(line));
    const banner = { version: this.config.version, control, tokenFile, ...running.about };
    for (const line of dashboardBanner(banner, { paint: this.paintError })) this.note(line);
    if ((await ended) === 'left') this.endWith(ExitCode.Terminated);
    return { url: running.url };
  }
}
