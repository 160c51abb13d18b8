import { BaseCommand } from '../../lib/cli/base-command.js';
import { workersView } from '../../lib/cli/views/workers-view.js';
import type { WorkerStatus } from '../../lib/scale/stop-workers.js';

/** Shows the detached workers of this host, including dead ones. */
export default class WorkersList extends BaseCommand<typeof WorkersList> {
  static override summary = 'show the background workers of this host';
  static override description =
    'From their pid files, without Redis: what runs, what has died and why. What they do, and workers of other hosts: infer inspect.';
  static override examples = ['<%= config.bin %> workers list', '<%= config.bin %> workers list --json'];

  async run(): Promise<{ workers: WorkerStatus[] }> {
    const { WorkerFiles } = await import('../../lib/scale/worker-files.js');
    const { listDetached } = await import('../../lib/scale/stop-workers.js');
    const workers = listDetached(new WorkerFiles(this.settings.stateDir));
    await this.print(workersView(workers, this.layout, Date.now()));
    return { workers };
  }
}
