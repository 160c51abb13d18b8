import { Flags } from '@oclif/core';
import { liveFlags } from '../lib/cli/autoscale/live-flags.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { durationFlag, manyQueuesFlag, wholeFlag } from '../lib/cli/flags.js';
import { interruptible } from '../lib/cli/signals.js';
import { assumptionsText, decisionLines, simulateView } from '../lib/cli/views/simulate-view.js';
import type { AutoscalerRecord } from '../lib/queue/autoscalers.js';
import { simulatePlan } from '../lib/scale/simulate-plan.js';
import type { SimulationJson } from '../lib/scale/simulate-run.js';

const MOST_WORKERS = 1024;

/** Starts and stops workers according to the backlog, or shows what that would have done for a trace. */
export default class Autoscale extends BaseCommand<typeof Autoscale> {
  static override summary = 'scale workers on predicted queue wait';
  static override description =
    `Predicts how long a job would wait from the backlog, the arrival rate, the throughput of a worker and its start-up time. Starts enough workers to keep that below --target-wait, and drains one at a time when they have not been needed for a while.

The workers keep running when the autoscaler exits, each on its own GPU (on a host without GPUs they share the cores), and the next autoscaler of these queues on this host adopts them. Everything after -- is passed to every worker.

With --simulate no worker and no Redis is touched: a trace (steady, bursty, diurnal, flash, dump, clumped, code, chat, sparse, all; or a CSV file of arrival times and, if known, service times) is replayed against policies by the very code that decides live.`;
  static override usage = 'autoscale [FLAGS] [-- WORKER FLAGS]';
  static override strict = false;
  static override examples = [
    '<%= config.bin %> autoscale --queue realtime --max 4',
    '<%= config.bin %> autoscale -Q realtime,batch --target-wait 5s --spare 1 -- --max-batch 64',
    '<%= config.bin %> autoscale --simulate all --compare step,predictive,fixed:4',
    '<%= config.bin %> autoscale --simulate arrivals.csv --cold-start 45s --service 120ms --max 8',
    '<%= config.bin %> autoscale --simulate flash --spare 1 --verbose',
    "<%= config.bin %> autoscale --simulate all --json | jq '.mean[] | {policy, slo: .figures.slo}'",
  ];
  static override flags = {
    queues: manyQueuesFlag('queues to watch, which its workers serve [default: as infer worker]'),
    threshold: wholeFlag({
      min: 1,
      description: 'start a worker when more jobs wait than this [default: the wait decides; 50 for step]',
    }),
    min: wholeFlag({ min: 0, max: MOST_WORKERS, description: 'minimum number of workers [default: 1]' }),
    max: wholeFlag({
      min: 1,
      max: MOST_WORKERS,
      description: 'maximum number of workers [default: one per GPU or CPU core; 4 in a simulation]',
    }),
    spare: wholeFlag({
      min: 0,
      max: MOST_WORKERS,
      description: 'workers kept beyond what is needed [default: 0]',
    }),
    'target-wait': durationFlag({ description: 'longest acceptable wait of a job [default: 10s]' }),
    interval: durationFlag({ description: 'time between two decisions [default: 2s]' }),
    policy: Flags.string({
      helpValue: '<name>',
      description:
        'predictive, step (one more each 10 s above the threshold, never one less) or fixed:N [default: predictive]',
    }),
    ...liveFlags,
    simulate: Flags.string({
      helpValue: '<trace|file>',
      helpGroup: 'SIMULATION',
      description: 'replay a trace by name or from a CSV file (- reads standard input)',
    }),
    compare: Flags.string({
      helpValue: '<policies>',
      helpGroup: 'SIMULATION',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'policies to simulate [default: step,predictive]',
    }),
    'cold-start': durationFlag({
      helpGroup: 'SIMULATION',
      description: 'time from the start of a worker to its first job [default: 20s]',
    }),
    service: durationFlag({
      helpGroup: 'SIMULATION',
      description: 'service time of a job, if the trace has none [default: 250ms]',
    }),
    seeds: wholeFlag({
      min: 1,
      max: 1000,
      description: 'simulations per trace, each with its own random numbers [default: 3]',
    }),
  };

  protected override get streamsJson(): boolean {
    return !this.isGiven('once') && !this.isGiven('simulate');
  }

  async run(): Promise<SimulationJson | AutoscalerRecord | undefined> {
    const { simulate } = this.flags;
    return simulate === undefined ? this.watch() : this.simulate(simulate);
  }

  /** The live loop; it streams its decisions, and returns the record when it decides only once. */
  private async watch(): Promise<AutoscalerRecord | undefined> {
    const { watchLoop } = await import('../lib/cli/autoscale/live-command.js');
    const { liveFlagsOf } = await import('../lib/scale/live-plan.js');
    const flags = liveFlagsOf(this.flags, this.settings.queues, this.words, this.passedOn);
    const { verbose, layout } = this;
    const note = (text: string) => this.note(text);
    const record = await watchLoop(this.loaded, flags, { json: this.jsonEnabled(), verbose, layout, note });
    return flags.once ? record : undefined;
  }

  private async simulate(simulate: string): Promise<SimulationJson> {
    const plan = simulatePlan({ ...this.flags, simulate });
    const { runSimulation } = await import('../lib/scale/simulate-run.js');
    const simulation = await interruptible((signal) =>
      runSimulation(plan, {
        signal,
        step: (text) => {
          if (!this.jsonEnabled()) this.note(text);
        },
      }),
    );
    if (this.verbose) for (const line of decisionLines(simulation)) this.note(line);
    await this.print(simulateView(simulation, this.layout));
    if (!this.jsonEnabled()) this.note(assumptionsText(simulation));
    return simulation;
  }
}
