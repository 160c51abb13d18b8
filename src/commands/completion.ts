import { Args } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { completionScript, INSTALL, SHELLS, type Shell } from '../lib/cli/completion/shells.js';

/** Prints the script for shell completion. */
export default class Completion extends BaseCommand<typeof Completion> {
  static override summary = 'print the script that completes commands, flags and live names';
  static override description =
    `Tab then completes commands, flags and their values, and the current names of queues, workers and models in Redis.
It waits at most 300 ms for Redis, and suggests no names without one.`;
  static override examples = [
    'eval "$(<%= config.bin %> completion bash)"',
    'source <(<%= config.bin %> completion zsh)',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/infer.fish',
  ];
  static override args = {
    shell: Args.string({ required: true, options: [...SHELLS], description: 'bash, zsh or fish' }),
  };

  async run(): Promise<{ shell: Shell; script: string; install: string }> {
    const shell = this.args.shell as Shell;
    const script = completionScript(shell);
    await this.print(script.trimEnd());
    if (this.layout.tty) this.note(`to keep it: ${INSTALL[shell]}`);
    return { shell, script, install: INSTALL[shell] };
  }
}
