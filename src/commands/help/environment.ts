import { BaseCommand } from '../../lib/cli/base-command.js';
import { environmentView, type VariableJson, variables } from '../../lib/cli/views/help-view.js';
import { type LoadedSettings, type LoadOptions, surveySettings } from '../../lib/config/load.js';

/** Every variable in the table of settings. */
export default class HelpEnvironment extends BaseCommand<typeof HelpEnvironment> {
  static override summary = 'environment variables that infer reads, their flags and defaults';
  static override description =
    `A flag takes precedence over a variable, a variable over a configuration file. An empty variable counts as not set.
Current values are shown with their source; secrets are hidden.`;
  static override examples = ['<%= config.bin %> help environment'];

  /** Errors in the settings are listed with them; other commands stop at the first. */
  protected override async load(options: LoadOptions): Promise<LoadedSettings> {
    const { loaded, problems } = await surveySettings(options);
    for (const { message } of problems) this.warn(message);
    return loaded;
  }

  async run(): Promise<{ variables: VariableJson[] }> {
    const rows = variables(this.loaded);
    await this.print(environmentView(rows, this.layout));
    return { variables: rows };
  }
}
