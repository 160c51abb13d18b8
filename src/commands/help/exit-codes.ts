import { BaseCommand } from '../../lib/cli/base-command.js';
import { exitCodesView } from '../../lib/cli/views/help-view.js';
import { type LoadedSettings, type LoadOptions, surveySettings } from '../../lib/config/load.js';
import { EXIT_CODES, type ExitCodeFacts } from '../../lib/core/exit-codes.js';

/** What an exit code tells a script. */
export default class HelpExitCodes extends BaseCommand<typeof HelpExitCodes> {
  static override summary = 'exit codes of every command, what they mean, an example of each';
  static override description = 'Each code has one meaning, whatever the command.';
  static override examples = [
    '<%= config.bin %> help exit-codes',
    '<%= config.bin %> help exit-codes --json',
  ];

  /** An invalid variable is no reason to withhold help. */
  protected override async load(options: LoadOptions): Promise<LoadedSettings> {
    return (await surveySettings(options)).loaded;
  }

  async run(): Promise<{ exitCodes: readonly ExitCodeFacts[] }> {
    await this.print(exitCodesView(EXIT_CODES, this.layout));
    return { exitCodes: EXIT_CODES };
  }
}
