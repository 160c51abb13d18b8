import { Args, Command, Flags, loadHelpClass } from '@oclif/core';

/** Help on a command or topic. Reads no settings: a user with an invalid variable needs help most. */
export default class HelpCommand extends Command {
  static override summary = 'show help on a command or topic';
  static override examples = [
    '<%= config.bin %> help submit',
    '<%= config.bin %> help control',
    '<%= config.bin %> help exit-codes',
  ];
  static override strict = false;
  static override args = { command: Args.string({ description: 'command or topic', ignoreStdin: true }) };
  static override flags = {
    'nested-commands': Flags.boolean({ char: 'n', description: 'list the commands of topics too' }),
  };

  async run(): Promise<void> {
    const nested = this.argv.some((word) => word === '-n' || word === '--nested-commands');
    const Help = await loadHelpClass(this.config);
    const help = new Help(this.config, { ...this.config.pjson.oclif.helpOptions, all: nested });
    await help.showHelp(this.argv.filter((word) => word !== '-n' && word !== '--nested-commands'));
  }
}
