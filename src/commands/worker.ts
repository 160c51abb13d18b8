import { availableParallelism } from 'node:os';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags, wholeFlag } from '../lib/cli/flags.js';
import { modelsArgument } from '../lib/cli/models-argument.js';
import { onShutdown } from '../lib/cli/signals.js';
import { drainingLine, workerBanner } from '../lib/cli/views/worker-banner.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import type { LoadedModel } from '../lib/model/runner.js';

/** The first model's device applies to all: they are in one process. */
function devicesOf(models: readonly LoadedModel[]): { device?: string; fallback?: string } {
  const [first] = models;
  const fallback = models.find((model) => model.fallback !== undefined)?.fallback;
  return { ...(first && { device: first.device }), ...(fallback === undefined ? {} : { fallback }) };
}

/** Serves queues until told to stop. */
export default class Worker extends BaseCommand<typeof Worker> {
  static override summary = 'run jobs of the given queues, each model loaded once';
  static override description =
    `Takes jobs of its queues in the order given: jobs in the first go before any in the second.
Rows of many jobs run together. Models are those of the models directory; or one, given by its file or directory: model.onnx, a Hugging Face export, a directory with Triton's config.pbtxt.
The model runs in its own process, so a crash or a hang there never stops the worker.
The first Ctrl-C (or SIGTERM) finishes the current jobs, the second requeues them and exits.`;
  static override examples = [
    '<%= config.bin %> worker',
    '<%= config.bin %> worker ./resnet50.onnx',
    '<%= config.bin %> worker --gpu 0 -Q realtime',
    '<%= config.bin %> worker -Q realtime,batch --model digits --max-batch 64',
    '<%= config.bin %> worker -Q batch --burst',
    '<%= config.bin %> worker -Q batch --autoscale 8,2',
  ];
  static override args = { models: modelsArgument() };
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
      'autoscale',
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
    strict: Flags.boolean({ description: 'do not start when a model cannot be loaded' }),
    'share-gpu': Flags.boolean({ description: 'start even when another worker uses this GPU' }),
    record: Flags.string({ hidden: true, description: 'pid file of a detached worker, see infer workers' }),
  };

  async run(): Promise<{ worker: string } | undefined> {
    const { startSpinner } = await import('../lib/cli/output/progress.js');
    const { surveyModels } = await import('../lib/model/survey.js');
    const { keepRecord } = await import('../lib/scale/detached.js');
    const { liveAsWorker } = await import('../lib/worker/life.js');
    const ready = this.flags.record === undefined ? undefined : await keepRecord(this.flags.record);
    const worker = await liveAsWorker({
      loaded: this.loaded,
      flags: this.flags,
      version: this.config.version,
      listen: (steps) => onShutdown(steps),
      onOpening: async () => {
        const spinner = await startSpinner('connecting and loading models', this.progress);
        return () => spinner.stop();
      },
      fresh: () => this.freshSettings(),
      onReady: (config, running, target) => {
        ready?.(devicesOf(running.models));
        const banner = {
          ...config,
          gpu: config.runner.gpu ?? null,
          gpuAsked: config.runner.gpu !== undefined || !['auto', 'cpu'].includes(config.runner.provider),
          redisLabel: target.label,
          redisSource: target.source,
          models: running.models,
          problems: running.problems,
          // If models were named, the others are irrelevant.
          skipped: this.flags.model === undefined ? surveyModels(config.runner.modelsDir).skipped : [],
          threads: config.runner.threads,
          cores: availableParallelism(),
        };
        for (const line of workerBanner(banner, { paint: this.paintError })) this.note(line);
      },
      onDraining: (jobs, timeoutMs) => this.note(drainingLine(jobs, timeoutMs)),
      exit: () => process.exit(ExitCode.Terminated),
    });
    return { worker };
  }
}
