import { BaseCommand } from '../../lib/cli/base-command.js';
import { serviceFlag, tuneRoleFlag } from '../../lib/cli/tune/flags.js';
import { auditView } from '../../lib/cli/views/tune-view.js';
import type { ExitCode } from '../../lib/core/exit-codes.js';
import type { TuneReport } from '../../lib/tune/read-report.js';

/** As in every command, 1 means a negative answer; as in doctor, a warning is not one. */
const AUDIT_EXIT: Record<TuneReport['worst'], ExitCode> = { ok: 0, warning: 0, critical: 1 };

/** The audit: checks the Redis server and the cost of jobs there; changes nothing. */
export default class RedisTune extends BaseCommand<typeof RedisTune> {
  static override summary = 'audit the Redis server: settings, memory, what jobs cost, what was lost';
  static override description =
    `Reads only, and works with whatever the server allows: INFO alone is enough. Correct settings are shown with --verbose.
Exits 1 when data was lost or will be at the next shortage; warnings and advice do not count. infer redis-tune apply fixes what is wrong.`;
  static override examples = [
    '<%= config.bin %> redis-tune',
    '<%= config.bin %> redis-tune apply --maxmemory 60% --dry-run',
    '<%= config.bin %> redis-tune --json | jq \'.nodes[].findings[] | select(.level == "critical")\'',
  ];
  static override aliases = ['redis-tune:audit'];
  static override flags = { role: tuneRoleFlag, service: serviceFlag };

  async run(): Promise<TuneReport> {
    const { role, service } = this.flags;
    const { readReport } = await import('../../lib/tune/read-report.js');
    const report = await readReport(this.loaded, role, service);
    await this.print(auditView(report, this.layout, this.verbose));
    const notes = this.jsonEnabled() ? [] : (report.provider?.notes ?? []);
    for (const note of notes) this.note(note);
    if (report.worst !== 'ok') this.next('infer redis-tune apply --dry-run');
    this.endWith(AUDIT_EXIT[report.worst]);
    return report;
  }
}
