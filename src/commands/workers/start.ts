import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { durationFlag, settingFlags, wholeFlag } from '../../lib/cli/flags.js';
import { interruptible } from '../../lib/cli/signals.js';
import { startedLine } from '../../lib/cli/views/workers-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import type { StartOutcome } from '../../lib/scale/start-workers.js';

const READY_MS = 120_000;

/** Starts workers that keep running in the background. */
export default class WorkersStart extends BaseCommand<typeof WorkersStart> {
  static override summary = 'start workers in the background';
  static override description =
    `Starts the workers of the flags, or those of the configuration's "workers" (all, or the named), or one. Each gets a log and a pid file in the state directory.
Waits until every worker has loaded its models and is ready. A worker that fails is reported with its reason and leaves nothing behind. A worker that is already running is left alone. NAME may also be a worker that ran earlier, for example before a reboot; it is started with the flags it had.
Everything after -- is passed to every worker: see infer worker --help. Exits 3 when some failed, 69 when all did.`;
  static override usage = 'workers start [NAME…] [FLAGS] [-- WORKER FLAGS]';
  static override examples = [
    '<%= config.bin %> workers start -Q realtime --count 2 --name rt',
    '<%= config.bin %> workers start -Q realtime,batch --per-gpu -- --max-batch 64 --require-gpu',
    '<%= config.bin %> workers start',
  ];
  static override strict = false;
  static override flags = {
    ...settingFlags('queues', 'gpu'),
    count: wholeFlag({ min: 1, max: 256, description: 'how many; with --per-gpu, on each GPU [default: 1]' }),
    'per-gpu': Flags.boolean({ description: 'one for each GPU of this host, pinned by its UUID' }),
    name: Flags.string({
      helpValue: '<name>',
      description: 'name; several get a number each [default: worker]',
    }),
    timeout: durationFlag({ description: 'how long each may take until it is ready [default: 2m]' }),
  };

  async run(): Promise<{ workers: StartOutcome[] }> {
    const { groupsOf, ranBefore, startDetached } = await import('../../lib/scale/start-detached.js');
    const { WorkerFiles } = await import('../../lib/scale/worker-files.js');
    const given = this.loaded.sources;
    const typed = {
      names: this.words,
      name: this.flags.name,
      queues: given.queues.kind === 'flag' ? this.settings.queues : undefined,
      gpu: given.gpu.kind === 'flag' ? this.settings.gpu : undefined,
      count: this.flags.count,
      perGpu: this.flags['per-gpu'],
      args: this.passedOn,
    };
    const configured = this.settings.workers;
    const { flags, again } = ranBefore(typed, configured, new WorkerFiles(this.settings.stateDir));
    // Only earlier workers: no others of the configuration were requested.
    const groups = again.length > 0 && flags.names.length === 0 ? [] : groupsOf(flags, configured);
    const timeoutMs = this.flags.timeout ?? READY_MS;
    const onOutcome = (outcome: StartOutcome) => {
      for (const line of startedLine(outcome, this.paintError)) this.note(line);
    };
    const workers = await interruptible((signal) =>
      startDetached(this.loaded, groups, again, { timeoutMs, signal, onOutcome }),
    );
    const failed = workers.filter((worker) => worker.outcome === 'failed').length;
    if (failed > 0) this.endWith(failed === workers.length ? ExitCode.Unavailable : ExitCode.Partial);
    // On a terminal, the outcome lines have already said it.
    if (!this.layout.tty || this.flags.quiet)
      await this.print(workers.flatMap(({ name, pid }) => (pid === null ? [] : [`${name}\t${pid}`])));
    if (failed < workers.length) this.next('infer workers list');
    return { workers };
  }
}
