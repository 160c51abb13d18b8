import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { priorityFlag, SEVERAL, settingFlags, waitFlag } from '../lib/cli/flags.js';
import { selectionFlags } from '../lib/cli/selection-flags.js';
import { interruptible } from '../lib/cli/signals.js';
import { submitOptions } from '../lib/cli/submit-options.js';
import { inputFileArg, inputFiles, inputFlags, inputOptions } from '../lib/cli/table-flags.js';
import { failedRowsText } from '../lib/cli/views/failed-rows.js';
import { scoreView } from '../lib/cli/views/score-view.js';
import type { Scored } from '../lib/client/score/score.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import { TABLE_FORMATS, type TableFormat } from '../lib/output/table/table.js';

type ScoreJson = Scored & { output: string; tookMs: number };

/** Submits a file, waits and writes its rows with their predictions. */
export default class Score extends BaseCommand<typeof Score> {
  static override summary = 'score files: their rows with their predictions';
  static override description =
    `Submits FILE (- for standard input), or several files, folders, patterns such as 'images/*.jpg' and addresses (https://), as a group, waits for it, and writes the same rows in the same order: all columns of the input, the model's outputs as prediction.*, and error. For several files and for images, the first column, file, says where a row is from.
--resume continues an unfinished run, after Ctrl-C or a crash, without running finished rows again.
Exits 3 when some rows failed, 1 when all did, 65 on bad input, 75 when --wait was not long enough.`;
  static override examples = [
    '<%= config.bin %> score rows.csv --output scored.csv',
    '<%= config.bin %> score rows.parquet --output scored.parquet --model digits',
    '<%= config.bin %> score rows.csv.gz -o scored.ndjson --columns pixels=p0..p63 --drop note',
    '<%= config.bin %> score rows.csv -o scored.csv --resume',
    '<%= config.bin %> score images/ -o scored.csv --model pets',
  ];
  static override args = { file: inputFileArg() };
  static override flags = {
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: '<file>',
      description: 'file to write; - is standard output',
    }),
    'output-format': Flags.option({ options: TABLE_FORMATS, helpValue: '<format>' })({
      description: `format of the output, if its name does not say it: ${TABLE_FORMATS.join(', ')}`,
    }),
    keep: Flags.string({
      ...SEVERAL,
      helpValue: '<columns>',
      exclusive: ['drop'],
      description: 'columns of the input to write [all]',
    }),
    drop: Flags.string({
      ...SEVERAL,
      helpValue: '<columns>',
      description: 'columns of the input not to write',
    }),
    resume: Flags.boolean({ description: 'continue an unfinished run of the same file, if there is one' }),
    wait: waitFlag({ description: 'longest wait for the results [no limit]' }),
    ...inputFlags(),
    ...settingFlags('queue', 'model', 'modelsDir', 'resultTtl'),
    ...settingFlags('retries', 'retryDelay', 'timeLimit', 'softTimeLimit'),
    priority: priorityFlag(),
    ...selectionFlags(),
  };

  async run(): Promise<ScoreJson | undefined> {
    const { keep, drop, output: path, resume, wait: timeoutMs } = this.flags;
    const { withClient } = await import('../lib/cli/open-client.js');
    const { runScore, scoreOutput, withoutLeft } = await import('../lib/cli/score-run.js');
    const { spooledFiles } = await import('../lib/input/spool.js');
    const read = await inputOptions(this.flags);
    const given = withoutLeft(await inputFiles(this.args.file, (text) => this.note(text)), path);
    return interruptible(async (signal) => {
      const format = this.flags['output-format'] as TableFormat | undefined;
      const output = await scoreOutput(path, format, given, signal);
      const { found, remove } = await spooledFiles(given, signal, 'again');
      const submit = submitOptions(this.settings, this.flags);
      const startedAt = Date.now();
      try {
        const scored = await withClient(this.loaded, this, async (client) => {
          const signature = await client.signatures.find(this.settings.model);
          const options = { found, read, keep: { keep, drop }, output, submit, resume, timeoutMs, signal };
          return this.resumable(output.isFile, (onGroup) =>
            runScore(client, signature, options, {
              target: this.progress,
              note: (text) => this.note(text),
              warn: (text) => this.warn(text),
              onGroup,
            }),
          );
        });
        return await this.ended(scored, path, Date.now() - startedAt);
      } finally {
        await remove();
      }
    });
  }

  /** Says how to continue a run that ends before its output is complete. */
  private async resumable(
    isFile: boolean,
    run: (onGroup: (group: string) => void) => Promise<Scored>,
  ): Promise<Scored> {
    const { refusesRows, resumeCommand } = await import('../lib/cli/score-run.js');
    let group: string | undefined;
    try {
      return await run((id) => {
        group = id;
      });
    } catch (error) {
      if (group !== undefined && !refusesRows(error)) {
        const how = isFile ? resumeCommand(this.typed) : `infer result ${group} --wait`;
        this.printToStderr([`Group ${group} is not finished. Continue: ${how}`]);
      }
      throw error;
    }
  }

  private async ended(scored: Scored, output: string, tookMs: number): Promise<ScoreJson | undefined> {
    const { rows, rowsFailed, firstFailed } = scored;
    if (rowsFailed > 0) {
      this.endWith(rowsFailed < rows ? ExitCode.Partial : ExitCode.Negative);
      this.warn(failedRowsText(rowsFailed, rows, firstFailed));
    }
    if (output === '-') return undefined;
    await this.print(scoreView({ ...scored, output, tookMs }, this.layout, this.quiet));
    return { ...scored, output, tookMs };
  }
}
