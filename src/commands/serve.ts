import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags, wholeFlag } from '../lib/cli/flags.js';

/** The HTTP gateway. */
export default class Serve extends BaseCommand<typeof Serve> {
  static override summary = 'serve models over HTTP';
  static override description = 'Takes work over HTTP and answers with results. Ends on Ctrl-C or SIGTERM.';
  static override examples = ['<%= config.bin %> serve', '<%= config.bin %> serve --port 8080'];
  static override flags = {
    ...settingFlags('modelsDir'),
    host: Flags.string({ helpValue: '<address>', default: '127.0.0.1', description: 'address to listen on' }),
    port: wholeFlag({
      min: 0,
      max: 65_535,
      default: 8000,
      description: 'port to listen on; 0 takes a free one',
    }),
  };

  async run(): Promise<{ url: string }> {
    const { startGateway } = await import('../lib/serve/serve-gateway.js');
    const { firstSignal } = await import('../lib/cli/signals.js');
    const { createLogger } = await import('../lib/telemetry/logger.js');
    const { host, port = 8000 } = this.flags;
    const running = await startGateway({
      loaded: this.loaded,
      host,
      port,
      basePath: '',
      limits: { maxBody: 64 * 1024 ** 2, maxWaitMs: 60_000, maxWaiting: undefined },
      control: false,
      version: this.config.version,
      log: createLogger({ level: this.settings.logLevel }),
    });
    this.note(`ready: ${running.url}`);
    await firstSignal();
    await running.close(30_000);
    return { url: running.url };
  }
}
