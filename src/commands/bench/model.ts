import { Args, Flags } from '@oclif/core';
import type { BenchModelJson } from '../../lib/bench/reports.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag, settingFlags, wholeFlag } from '../../lib/cli/flags.js';
import { rangeFlag } from '../../lib/cli/range-flag.js';
import { interruptible } from '../../lib/cli/signals.js';
import { adviceText, benchModelView } from '../../lib/cli/views/bench-view.js';

const DURATION_MS = 300;
const SEED = 1;

/** Measures a model's run time by rows per run: whether batching pays. */
export default class BenchModel extends BaseCommand<typeof BenchModel> {
  static override summary = 'measure a model by batch size and threads, and advise --max-batch';
  static override description =
    `Runs the model in its own process, as a worker does, without Redis. Shows the median time of a run and rows per second for each size, and recommends the largest size that still pays: at least 10 % more rows per second than the previous size, within --latency-target, since an urgent row may have to wait for one run.
A worker without --max-batch learns the same from its own runs.`;
  static override examples = [
    '<%= config.bin %> bench model digits',
    '<%= config.bin %> bench model digits --threads 1,2 --batch 1,8,64',
    '<%= config.bin %> bench model detector --shape image=3x640x640',
    "<%= config.bin %> bench model digits --json | jq '.best.maxBatch'",
  ];
  static override args = {
    model: Args.string({ required: true, description: 'model of the models directory' }),
  };
  static override flags = {
    ...settingFlags('modelsDir', 'provider', 'gpu', 'requireGpu', 'latencyTarget'),
    threads: rangeFlag({
      helpValue: '<n,n,…>',
      description: 'CPU threads of a run, each measured [default: as a worker]',
      example: '--threads 1,2',
      whole: true,
    }),
    batch: rangeFlag({
      helpValue: '<n,n,…>',
      description: 'rows of a run [default: doubling from 1 while it pays off]',
      example: '--batch 1,2,4,8',
      whole: true,
    }),
    duration: durationFlag({ description: 'time of each size [default: 300ms]' }),
    data: Flags.string({
      helpValue: '<file>',
      description: 'file of input rows [default: generated from --seed; the digits that come with infer]',
    }),
    shape: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<name=shape>',
      description: 'row shape of an input of generated rows, image=3x224x224 [default: one that ran at load]',
    }),
    seed: wholeFlag({ min: 0, max: 2 ** 31, description: 'seed of generated rows [default: 1]' }),
  };

  async run(): Promise<BenchModelJson> {
    const { threads, batch, duration, data, seed, shape } = this.flags;
    if (data !== undefined) await (await import('../../lib/input/read.js')).checkInput({ path: data });
    const { benchModel } = await import('../../lib/bench/bench-model.js');
    const bench = await interruptible((signal) =>
      benchModel(this.settings, {
        name: this.args.model,
        threads,
        batches: batch,
        durationMs: duration ?? DURATION_MS,
        file: data,
        shapes: shape ?? [],
        seed: seed ?? SEED,
        signal,
        step: (text) => {
          if (!this.jsonEnabled()) this.note(text);
        },
      }),
    );
    const { layout } = this;
    // If no GPU was requested, running on the CPU is expected, not news.
    const asked = this.settings.gpu !== undefined || !['auto', 'cpu'].includes(this.settings.provider);
    if (bench.fallback !== null && asked) this.warn(`not on the device asked for: ${bench.fallback}`);
    await this.print(benchModelView(bench, layout));
    if (!layout.tty && !this.jsonEnabled()) this.note(adviceText(bench));
    return bench;
  }
}
