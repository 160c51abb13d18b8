import { Flags } from '@oclif/core';
import { durationFlag } from '../lib/cli/flags.js';
import { OperatorCommand, operatorFlags } from '../lib/cli/operator-command.js';
import { startSpinner } from '../lib/cli/output/progress.js';
import { interruptible } from '../lib/cli/signals.js';
import { downLines, REDIS_STAYS } from '../lib/cli/views/up-view.js';
import type { TakenDown } from '../lib/up/take-down.js';

/** The gateway drains first and then the workers; each adds a margin of 5 s. */
const DRAINS = 2;
const AFTER_DRAIN_MS = 5000;

export interface DownJson extends TakenDown {
  /** Whether infer's own Redis was stopped; null without --with-redis. */
  redisStopped: boolean | null;
}

/** Stops `infer up`; having nothing to stop is a success too. */
export default class Down extends OperatorCommand<typeof Down> {
  static override summary = 'stop infer up and everything that it started';
  static override description =
    `Stops the infer up of this host, in the background or in another terminal, in order: the gateway accepts no new requests and answers those it has, then the workers finish their jobs. After --timeout they hand back what still runs, which does not count as an attempt.
Redis keeps running, with waiting jobs and results; --with-redis stops infer's own Redis, and keeps its data. Nothing to stop is a success.`;
  static override examples = [
    '<%= config.bin %> down',
    '<%= config.bin %> down --timeout 2m',
    '<%= config.bin %> down --force --with-redis',
  ];
  static override flags = {
    timeout: durationFlag({
      description: 'how long requests and jobs may take [default: twice the drain time and 10s]',
    }),
    force: Flags.boolean({ description: 'do not wait: hand running jobs back now' }),
    'with-redis': Flags.boolean({ description: "also stop infer's own Redis; its data is kept" }),
    ...operatorFlags,
  };

  async run(): Promise<DownJson> {
    const { takeDown } = await import('../lib/up/take-down.js');
    const { stateDir, drainTimeout } = this.settings;
    const timeoutMs = this.flags.force ? 0 : (this.flags.timeout ?? DRAINS * (drainTimeout + AFTER_DRAIN_MS));
    const spinner = await startSpinner('stopping', this.progress);
    let down: TakenDown | undefined;
    try {
      await interruptible((signal) =>
        this.performOnHost(
          {
            action: 'down',
            target: 'all',
            run: async (onWorker) => {
              down = await takeDown(stateDir, timeoutMs, signal);
              down.workers.forEach(onWorker);
              return down.workers;
            },
          },
          signal,
        ),
      );
    } finally {
      spinner.stop();
    }
    const done = down as unknown as TakenDown;
    for (const line of downLines(done, this.paintError)) this.note(line);
    const { redisStopped, redisRuns } = await this.redis();
    if (redisRuns && done.pid !== null) this.note(REDIS_STAYS);
    return { ...done, redisStopped };
  }

  /** infer's own server: stopped, or left as it is. */
  private async redis(): Promise<{ redisStopped: boolean | null; redisRuns: boolean }> {
    const { statusEmbedded, stopEmbedded } = await import('../lib/redis/embedded.js');
    const { stateDir } = this.settings;
    if (!this.flags['with-redis']) {
      return { redisStopped: null, redisRuns: (await statusEmbedded(stateDir)).running };
    }
    const { stopped, pid } = await stopEmbedded(stateDir);
    this.note(stopped ? `Redis stopped (pid ${pid}); its data is kept` : "infer's own Redis was not running");
    return { redisStopped: stopped, redisRuns: false };
  }
}
