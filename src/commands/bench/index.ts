import { Flags } from '@oclif/core';
import { SCENARIOS, type ScenarioName } from '../../lib/bench/figures.js';
import { benchPlan } from '../../lib/bench/plan.js';
import type { BenchJson } from '../../lib/bench/reports.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag, settingFlags, wholeFlag } from '../../lib/cli/flags.js';
import { rangeFlag } from '../../lib/cli/range-flag.js';
import { interruptible } from '../../lib/cli/signals.js';
import { benchView, bestRateText, errorText, missedText } from '../../lib/cli/views/bench-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';

/** Runs load against a setup and reports what it can take. */
export default class Bench extends BaseCommand<typeof Bench> {
  static override summary = 'measure latency and throughput of workers, or of a private setup';
  static override description =
    `Puts load on the configured Redis and its workers. When no worker there serves the model, or with --private, it starts its own Redis and worker, and removes them afterwards.

idle: one row at a time (or as many as --concurrency says), each sent when the previous one has been answered
drain: single rows queued, then processed
bulk: rows queued as one group
mixed: rows of priority 9, one at a time, while a batch of priority 0 is processed
sweep: rows sent at rising rates without waiting for answers, until a rate is not kept up or p99 exceeds --latency-threshold

--trace-one measures where the time of one row goes, from step to step and process to process, on an idle worker of this host.

Exits 1 when a request failed, or p99 of idle or mixed is over --latency-threshold.`;
  static override examples = [
    '<%= config.bin %> bench',
    '<%= config.bin %> bench --private --scenario idle --concurrency 1:8',
    '<%= config.bin %> bench --scenario sweep --rate 100:2000:100 --latency-threshold 20ms',
    '<%= config.bin %> bench --model digits --data examples/digits.ndjson --rows 50000 --scenario bulk',
    '<%= config.bin %> bench --private --trace-one',
    "<%= config.bin %> bench --json | jq '.results[] | {scenario, rowsPerSecond}'",
  ];
  static override flags = {
    ...settingFlags('model', 'modelsDir', 'queue'),
    scenario: Flags.string({
      char: 's',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      options: [...SCENARIOS],
      description: 'what to measure; repeat for more [default: idle,drain,bulk,mixed]',
    }),
    'trace-one': Flags.boolean({
      description: 'time each step of single jobs, one at a time [--rows 1000]',
      exclusive: ['scenario', 'concurrency', 'rate', 'latency-threshold', 'duration'],
    }),
    private: Flags.boolean({ description: 'use a private Redis and worker, even if workers are running' }),
    duration: durationFlag({ description: 'time of each closed loop and each rate [default: 5s]' }),
    rows: wholeFlag({
      min: 1,
      max: 10_000_000,
      description: 'rows of drain, bulk, mixed and --trace-one [default: about --duration of work]',
    }),
    concurrency: rangeFlag({
      helpValue: '<from:to:step>',
      description: 'concurrent requests of idle: 4, 1:8 or 2:16:2',
      example: '--concurrency 1:8',
      whole: true,
    }),
    rate: rangeFlag({
      helpValue: '<from:to:step>',
      description: 'requests per second of sweep [default: doubling from 50]',
      example: '--rate 50:500:50',
      whole: false,
    }),
    'latency-threshold': durationFlag({ description: 'highest acceptable p99 of one row' }),
    data: Flags.string({
      helpValue: '<file>',
      description: 'file of input rows [default: generated from --seed; the digits that come with infer]',
    }),
    seed: wholeFlag({
      min: 0,
      max: 2 ** 31,
      description: 'seed of generated rows and arrivals [default: 1]',
    }),
  };

  async run(): Promise<BenchJson> {
    const plan = benchPlan({ ...this.flags, scenario: this.flags.scenario as ScenarioName[] | undefined });
    const { data } = this.flags;
    if (data !== undefined) await (await import('../../lib/input/read.js')).checkInput({ path: data });
    const { runBench } = await import('../../lib/bench/run-bench.js');
    const { missed } = await import('../../lib/bench/scenarios.js');
    const bench = await interruptible((signal) =>
      runBench(this.loaded, plan, {
        alone: this.flags.private,
        file: data,
        signal,
        step: (text) => {
          if (!this.jsonEnabled()) this.note(text);
        },
      }),
    );
    const { layout } = this;
    await this.print(layout.tty ? ['', ...benchView(bench, layout)] : benchView(bench, layout));
    if (!layout.tty && bench.bestRate !== undefined && !this.jsonEnabled()) this.note(bestRateText(bench));
    const over = missed(bench.results, plan.thresholdMs);
    for (const one of over) this.warn(missedText(one, plan.thresholdMs ?? 0));
    const failed = bench.results.filter((one) => one.errors > 0 && one.scenario !== 'sweep');
    if (failed.length > 0) this.warn(errorText(failed));
    if (over.length > 0 || failed.length > 0) this.endWith(ExitCode.Negative);
    return bench;
  }
}
