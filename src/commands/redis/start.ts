import { BaseCommand } from '../../lib/cli/base-command.js';
import { startSpinner } from '../../lib/cli/output/progress.js';

export interface RedisStartJson {
  running: true;
  socket: string;
  pid: number;
  alreadyRunning: boolean;
}

/** Starts infer's own Redis; other commands start it automatically, this one does nothing else. */
export default class RedisStart extends BaseCommand<typeof RedisStart> {
  static override summary = "start infer's own private Redis server";
  static override description =
    `Starts a redis-server of your own: a unix socket in a private directory, data kept on disk, nothing ever evicted.
Commands start it automatically when no Redis is configured and none answers at 127.0.0.1:6379. It keeps running until infer redis stop.`;
  static override examples = ['<%= config.bin %> redis start', '<%= config.bin %> redis start --json'];

  async run(): Promise<RedisStartJson> {
    const [{ startEmbedded }, { socketUrl }] = await Promise.all([
      import('../../lib/redis/embedded.js'),
      import('../../lib/redis/address.js'),
    ]);
    const spinner = await startSpinner('starting Redis', this.progress);
    try {
      const { socket, pid, alreadyRunning } = await startEmbedded(this.settings.stateDir);
      spinner.succeed(
        alreadyRunning ? `Redis is already running (pid ${pid})` : `Redis started (pid ${pid})`,
      );
      await this.print(socketUrl(socket));
      if (this.settings.redisUrl !== undefined) {
        this.warn(`commands do not use it: ${this.loaded.sources.redisUrl.label} names another Redis`);
      } else this.next('infer worker');
      return { running: true, socket, pid, alreadyRunning };
    } finally {
      spinner.stop();
    }
  }
}
