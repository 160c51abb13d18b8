import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags, wholeFlag } from '../lib/cli/flags.js';
import { startSpinner } from '../lib/cli/output/progress.js';
import { onShutdown } from '../lib/cli/signals.js';
import { drainingLine, workerBanner } from '../lib/cli/views/worker-banner.js';
import type { ConnectionEvent } from '../lib/redis/connect.js';
import type { Logger } from '../lib/telemetry/logger.js';

/** Serves queues until told to stop. */
export default class Worker extends BaseCommand<typeof Worker> {
  static override summary = 'run jobs of the given queues, each model loaded once';
  static override description =
    `Takes jobs of its queues in the order given: whatever waits in the first goes before anything of the second.
Rows of many jobs run together. The model runs in a process of its own, so a crash or a hang there never takes the worker down.
The first Ctrl-C (or SIGTERM) finishes the jobs at hand, the second hands them back and leaves.`;
  static override examples = [
    '<%= config.bin %> worker',
    '<%= config.bin %> worker --gpu 0 -Q realtime',
    '<%= config.bin %> worker -Q realtime,batch --model digits --max-batch 64',
    '<%= config.bin %> worker -Q batch --burst',
  ];
  static override flags = {
    ...settingFlags(
      'queues',
      'modelsDir',
      'gpu',
      'requireGpu',
      'provider',
      'maxBatch',
      'latencyTarget',
      'batchWindow',
    ),
    ...settingFlags(
      'concurrency',
      'threads',
      'timeLimit',
      'softTimeLimit',
      'drainTimeout',
      'failedTtl',
      'logLevel',
    ),
    model: Flags.string({
      char: 'm',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: '<name>',
      description: 'model to load; repeat for more [default: all in the models directory]',
    }),
    name: Flags.string({ helpValue: '<name>', description: 'name shown to people [default: <host>-<pid>]' }),
    burst: Flags.boolean({ description: 'end when the queues are empty' }),
    'max-jobs': wholeFlag({ min: 1, description: 'end after this many jobs' }),
    'share-gpu': Flags.boolean({ description: 'start even when another worker uses this GPU' }),
    record: Flags.string({ hidden: true, description: 'pid file of a detached worker, see infer workers' }),
  };

  async run(): Promise<{ worker: string } | undefined> {
    const { createLogger } = await import('../lib/telemetry/logger.js');
    const { openWorker } = await import('../lib/worker/host.js');
    const { workerConfig } = await import('../lib/cli/worker-config.js');
    const { resolveTarget } = await import('../lib/redis/connect.js');
    const { connectionSettings, resultSettings } = await import('../lib/redis/from-settings.js');
    const { keepRecord } = await import('../lib/cli/detached.js');
    const ready = this.flags.record === undefined ? undefined : await keepRecord(this.flags.record);
    const config = workerConfig(this.settings, this.flags, this.config.version);
    const log = createLogger({ level: this.settings.logLevel, base: { worker: config.name } });
    const settings = connectionSettings(this.loaded, true);
    const spinner = await startSpinner('connecting and loading models', this.progress);
    let target: Awaited<ReturnType<typeof resolveTarget>>;
    let worker: Awaited<ReturnType<typeof openWorker>>;
    try {
      target = await resolveTarget(settings);
      worker = await openWorker(
        config,
        { target, settings, results: resultSettings(this.loaded), onState: (event) => logState(log, event) },
        log,
      );
    } finally {
      spinner.stop();
    }
    const { drainTimeout } = this.settings;
    const banner = {
      ...config,
      gpu: config.runner.gpu ?? null,
      gpuAsked: config.runner.gpu !== undefined || !['auto', 'cpu'].includes(config.runner.provider),
      redisLabel: target.label,
      redisSource: target.source,
      models: worker.models,
      threads: config.runner.threads,
      drainTimeoutMs: drainTimeout,
    };
    const shutdown = onShutdown({
      drain: () => {
        this.note(drainingLine(worker.activeJobs, drainTimeout));
        worker.drain(drainTimeout);
      },
      leave: () => worker.leave(),
    });
    // From here on anybody may send a signal.
    ready?.();
    for (const line of workerBanner(banner, { paint: this.paintError })) this.note(line);
    try {
      await worker.run();
    } finally {
      shutdown.dispose();
    }
    return { worker: config.name };
  }
}

function logState(log: Logger, event: ConnectionEvent): void {
  if (event.state === 'lost')
    log.warn({ reason: event.error?.message }, 'Redis is away; work goes on when it is back');
  else if (event.state === 'back') log.info({ downMs: event.downMs }, 'Redis is back');
}
