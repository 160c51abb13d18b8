import { Args, Flags } from '@oclif/core';
import { durationFlag } from '../../lib/cli/flags.js';
import { OperatorCommand, operatorFlags } from '../../lib/cli/operator-command.js';
import { interruptible } from '../../lib/cli/signals.js';
import { startedLine } from '../../lib/cli/views/workers-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import { printable } from '../../lib/core/job.js';
import type { StartOutcome } from '../../lib/scale/start-workers.js';

const READY_MS = 120_000;
/** As for `stop`: a little more than the worker's own drain time. */
const AFTER_DRAIN_MS = 5000;

/** Restarts background workers with their flags. */
export default class WorkersRestart extends OperatorCommand<typeof WorkersRestart> {
  static override summary = 'restart background workers, with the flags they were started with';
  static override description =
    `Restarts one worker after the other, each when it has finished its jobs, so that the others keep working: for a new version of infer, of a model, or of settings.
NAME is a worker, or the name that several were started under. Redis and settings are those of this command. A worker that has died is started again.
A worker that does not start ends the restart, and the remaining workers are not restarted: exits 69, or 3 when some were restarted. Those of autoscalers are left alone.
Ctrl-C stops the restart once the current worker runs again.`;
  static override usage = 'workers restart NAME… | --all [FLAGS]';
  static override examples = [
    '<%= config.bin %> workers restart rt',
    '<%= config.bin %> workers restart --all --timeout 2m',
  ];
  static override strict = false;
  static override args = { worker: Args.string({ description: 'worker, or the name of several' }) };
  static override flags = {
    all: Flags.boolean({ description: 'every background worker of this host' }),
    timeout: durationFlag({
      description: 'how long jobs may take to finish [default: the drain time and 5s]',
    }),
    'start-timeout': durationFlag({ description: 'how long each may take until it is ready [default: 2m]' }),
    ...operatorFlags,
  };

  async run(): Promise<{ workers: StartOutcome[] }> {
    const { WorkerFiles } = await import('../../lib/scale/worker-files.js');
    const { restartDetached, toRestart } = await import('../../lib/scale/restart-detached.js');
    const files = new WorkerFiles(this.settings.stateDir);
    const chosen = toRestart(files, this.words, this.flags.all === true);
    if (chosen.length === 0) this.note('no background worker runs on this host');
    const restart = (signal: AbortSignal, onWorker: (worker: StartOutcome) => void) =>
      restartDetached(this.loaded, chosen, {
        drainMs: this.flags.timeout ?? this.settings.drainTimeout + AFTER_DRAIN_MS,
        readyMs: this.flags['start-timeout'] ?? READY_MS,
        signal,
        onOutcome: (outcome) => {
          onWorker(outcome);
          for (const line of startedLine(outcome, this.paintError)) this.note(line);
        },
        onStopping: (name) =>
          this.note(`stopping once ${printable(name)} runs again; a second Ctrl-C leaves at once`),
      });
    const target = this.flags.all ? 'all' : this.words.join(' ');
    const workers = await interruptible((signal) =>
      this.performOnHost<StartOutcome>(
        { action: 'workers restart', target, run: (onWorker) => restart(signal, onWorker) },
        signal,
      ),
    );
    const failed = workers.some((worker) => worker.outcome === 'failed');
    if (failed) this.endWith(workers.length === 1 ? ExitCode.Unavailable : ExitCode.Partial);
    if (!this.layout.tty || this.flags.quiet)
      await this.print(workers.flatMap(({ name, pid }) => (pid === null ? [] : [`${name}\t${pid}`])));
    return { workers };
  }
}
