import { Args, Flags } from '@oclif/core';
import { durationFlag } from '../../lib/cli/flags.js';
import { OperatorCommand, operatorFlags } from '../../lib/cli/operator-command.js';
import { interruptible } from '../../lib/cli/signals.js';
import { nothingToStop, stoppedLine } from '../../lib/cli/views/workers-view.js';
import { bounded } from '../../lib/core/bounded.js';
import type { StopOutcome } from '../../lib/scale/stop-workers.js';

/** A little longer than the worker's own drain time, at whose end it requeues its jobs. */
const AFTER_DRAIN_MS = 5000;

/** Stops detached workers; having nothing to stop is a success too. */
export default class WorkersStop extends OperatorCommand<typeof WorkersStop> {
  static override summary = 'stop background workers';
  static override description =
    `Lets them finish their jobs. After --timeout they hand back running jobs, which does not count as an attempt; a worker that does not respond even to that is killed.
NAME is a worker, or the name that several were started under. Without a name: all but those of autoscalers, which would only start others. A name that no worker has is an error (exit 66); nothing to stop is a success.`;
  static override usage = 'workers stop [NAME…] [FLAGS]';
  static override examples = [
    '<%= config.bin %> workers stop',
    '<%= config.bin %> workers stop rt --timeout 2m',
    '<%= config.bin %> workers stop autoscaled --force',
  ];
  static override strict = false;
  static override args = { worker: Args.string({ description: 'worker, or the name of several' }) };
  static override flags = {
    all: Flags.boolean({ description: 'those of autoscalers too' }),
    timeout: durationFlag({
      description: 'how long jobs may take to finish [default: the drain time and 5s]',
    }),
    force: Flags.boolean({ description: 'do not wait: hand running jobs back now' }),
    ...operatorFlags,
  };

  async run(): Promise<{ workers: StopOutcome[] }> {
    const { WorkerFiles } = await import('../../lib/scale/worker-files.js');
    const { chooseKnownWorkers } = await import('../../lib/scale/choose-workers.js');
    const { stopWorkers } = await import('../../lib/scale/stop-workers.js');
    const files = new WorkerFiles(this.settings.stateDir);
    const named = chooseKnownWorkers(files, this.words);
    const chosen = this.flags.all ? files.list() : named;
    const timeoutMs = this.flags.force
      ? 0
      : (this.flags.timeout ?? this.settings.drainTimeout + AFTER_DRAIN_MS);
    if (chosen.length === 0) this.note(nothingToStop(this.words, files.list()));
    const stop = (onWorker: (worker: StopOutcome) => void) =>
      stopWorkers(files, chosen, timeoutMs, (outcome) => {
        onWorker(outcome);
        this.note(stoppedLine(outcome, this.paintError));
      });
    const target = this.flags.all
      ? 'all'
      : this.words.length === 0
        ? 'all but those of autoscalers'
        : this.words.join(' ');
    const workers = await interruptible((signal) => {
      // The workers have the order to stop, and carry it out without a wait here.
      const run = (onWorker: (worker: StopOutcome) => void) =>
        bounded(
          () => stop(onWorker),
          { signal },
          () => undefined,
        );
      return this.performOnHost<StopOutcome>({ action: 'workers stop', target, run }, signal);
    });
    // On a terminal, the outcome lines have already said it.
    if (!this.layout.tty || this.flags.quiet) await this.print(workers.map(({ name }) => name));
    return { workers };
  }
}
