import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { settingFlags } from '../lib/cli/flags.js';
import { startSpinner } from '../lib/cli/output/progress.js';
import { leaveEvenIfHeld } from '../lib/cli/signals.js';
import { checkListView, doctorView, reportLines, verdictLines } from '../lib/cli/views/doctor-view.js';
import { type LoadedSettings, type LoadOptions, surveySettings } from '../lib/config/load.js';
import type { InferError } from '../lib/core/errors.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import type { CheckResult } from '../lib/doctor/check.js';
import type { Verdict } from '../lib/doctor/verdict.js';

type CheckJson = Omit<CheckResult, 'fix' | 'details' | 'blocks' | 'timedOut'> & {
  fix: string | null;
  details: readonly string[];
};
type DoctorJson = Verdict & { ms: number; checks: CheckJson[]; report?: string };
type ListJson = { id: string; topic: string; title: string }[];

/** Looks for problems and says how to fix them. */
export default class Doctor extends BaseCommand<typeof Doctor> {
  static override summary = 'check Redis, queues, workers, models, GPU, settings and this machine';
  static override description =
    `Runs small checks concurrently, each within a time limit; every finding comes with its fix. Reads only, starts nothing.
Name topics (redis, queues, workers, models, gpu, config, system) or checks to run only those. Exits 1 when a check fails; warnings do not count.`;
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor redis gpu',
    '<%= config.bin %> doctor --list',
    '<%= config.bin %> doctor --report > report.md',
    '<%= config.bin %> doctor --json | jq -r \'.checks[] | select(.status == "fail") | .fix\'',
  ];
  static override args = {
    checks: Args.string({ multiple: true, description: 'topics or checks [default: all]' }),
  };
  static override flags = {
    list: Flags.boolean({ description: 'list the checks and run none', exclusive: ['report'] }),
    report: Flags.boolean({ description: 'print a report without secrets, as Markdown for an issue' }),
    ...settingFlags('modelsDir', 'gpu', 'requireGpu', 'provider'),
  };

  private problems: InferError[] = [];

  /** Invalid settings are a finding here, whereas other commands stop at them. */
  protected override async load(options: LoadOptions): Promise<LoadedSettings> {
    const { loaded, problems } = await surveySettings(options);
    this.problems = problems;
    return loaded;
  }

  async run(): Promise<DoctorJson | ListJson> {
    const named: string[] = this.args.checks ?? [];
    const { loaded, problems } = this;
    if (this.flags.list) return this.list(named);
    const { diagnose } = await import('../lib/doctor/diagnose.js');
    const spinner = await startSpinner('looking', this.progress);
    const diagnosis = await diagnose({ loaded, problems, named, version: this.config.version }).finally(() =>
      spinner.stop(),
    );
    const { results, verdict, ms } = diagnosis;
    if (!verdict.ok) this.endWith(ExitCode.Negative);
    if (results.some((result) => result.timedOut === true)) leaveEvenIfHeld();
    const checks = results.map(({ blocks: _blocks, timedOut: _timedOut, ...result }) => ({
      ...result,
      fix: result.fix ?? null,
      details: result.details ?? [],
    }));
    const json: DoctorJson = { ...verdict, ms, checks };
    if (this.flags.report) {
      const { masker } = await import('../lib/doctor/environment.js');
      const lines = reportLines(diagnosis, masker(loaded));
      await this.print(lines);
      return { ...json, report: lines.join('\n') };
    }
    const { layout } = this;
    const summary = verdictLines(diagnosis, layout.tty ? layout : { ...layout, paint: this.paintError });
    await this.print(doctorView(diagnosis, layout, this.verbose));
    if (layout.tty) await this.print(summary);
    else if (!this.jsonEnabled()) for (const line of summary) this.note(line);
    return json;
  }

  private async list(named: readonly string[]): Promise<ListJson> {
    const { CATALOGUE } = await import('../lib/doctor/catalogue.js');
    const { selectChecks } = await import('../lib/doctor/select.js');
    const checks = selectChecks(CATALOGUE, named);
    await this.print(checkListView(checks, this.layout));
    return checks.map(({ id, topic, title }) => ({ id, topic, title }));
  }
}
