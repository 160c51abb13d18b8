import { Flags } from '@oclif/core';
import { simulatePlan } from '../lib/cli/autoscale/simulate-plan.js';
import type { SimulationJson } from '../lib/cli/autoscale/simulate-run.js';
import { BaseCommand } from '../lib/cli/base-command.js';
import { durationFlag, settingFlags, wholeFlag } from '../lib/cli/flags.js';
import { interruptible } from '../lib/cli/signals.js';
import { assumptionsText, decisionLines, simulateView } from '../lib/cli/views/simulate-view.js';
import { InferError } from '../lib/core/errors.js';
import { ExitCode } from '../lib/core/exit-codes.js';

const MOST_WORKERS = 1024;

/** Starts and stops workers by what waits, or shows what that would have done to a trace. */
export default class Autoscale extends BaseCommand<typeof Autoscale> {
  static override summary = 'start and stop workers by the wait that is to come';
  static override description =
    `Predicts how long a job would wait, from what waits, what comes, what a worker does a second and how long one takes to start; starts what keeps that below --target-wait, and drains one worker at a time when they have not been needed for a while.

With --simulate no worker and no Redis is touched: a trace (steady, bursty, diurnal, flash, dump, clumped, code, chat, sparse, all; or a CSV file of arrival times and, if known, service times) is replayed against policies by the very code that decides live.`;
  static override examples = [
    '<%= config.bin %> autoscale --simulate all --compare step,predictive,fixed:4',
    '<%= config.bin %> autoscale --simulate arrivals.csv --cold-start 45s --service 120ms --max 8',
    '<%= config.bin %> autoscale --simulate flash --spare 1 --verbose',
    "<%= config.bin %> autoscale --simulate all --json | jq '.mean[] | {policy, slo: .figures.slo}'",
  ];
  static override flags = {
    ...settingFlags('queue'),
    threshold: wholeFlag({
      min: 1,
      description: 'start a worker when more jobs wait than this [default: the wait decides; 50 for step]',
    }),
    min: wholeFlag({ min: 0, max: MOST_WORKERS, description: 'workers kept at the least [default: 1]' }),
    max: wholeFlag({
      min: 1,
      max: MOST_WORKERS,
      description: 'workers at the most [default: 4 in a simulation]',
    }),
    spare: wholeFlag({
      min: 0,
      max: MOST_WORKERS,
      description: 'workers kept beyond what is needed [default: 0]',
    }),
    'target-wait': durationFlag({ description: 'longest wait of a job that is good enough [default: 10s]' }),
    interval: durationFlag({ description: 'time between two decisions [default: 2s]' }),
    policy: Flags.string({
      helpValue: '<name>',
      description:
        'predictive, step (one more each 10 s above the threshold, never one less) or fixed:N [default: predictive]',
    }),
    'on-exit': Flags.string({
      options: ['keep', 'drain'],
      description: 'what becomes of the workers when the autoscaler ends [default: keep]',
    }),
    'dry-run': Flags.boolean({ description: 'say what would be done and do nothing' }),
    once: Flags.boolean({ description: 'decide once' }),
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
      description: 'what a job takes, where the trace does not say [default: 250ms]',
    }),
    seeds: wholeFlag({
      min: 1,
      max: 1000,
      description: 'simulations of each trace, with other random numbers each [default: 3]',
    }),
  };

  async run(): Promise<SimulationJson> {
    const { simulate } = this.flags;
    if (simulate === undefined) {
      throw new InferError('AUTOSCALE_LIVE', 'this build can simulate only: the live loop is not in it', {
        hint: '--simulate all',
        exitCode: ExitCode.Usage,
      });
    }
    const plan = simulatePlan({ ...this.flags, simulate });
    const { runSimulation } = await import('../lib/cli/autoscale/simulate-run.js');
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
