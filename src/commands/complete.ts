import { Command } from '@oclif/core';
import type { KnownCommand } from '../lib/cli/completion/suggest.js';

/** Answers the completion scripts; not for people. Prints nothing on any error. */
export default class Complete extends Command {
  static override hidden = true;
  static override summary = 'answer what may come next on a command line; asked by completion scripts';
  static override strict = false;

  async run(): Promise<void> {
    const { answerLines } = await import('../lib/cli/completion/answer.js');
    const commands = this.config.commands as unknown as readonly KnownCommand[];
    // After `--`, word by word, flags included: nothing here is a flag of this command.
    const words = this.argv.slice(this.argv.indexOf('--') + 1);
    const lines = await answerLines(words, commands, this.config.root);
    process.stdout.write(`${lines.join('\n')}\n`, () => process.exit(0));
  }

  protected override async catch(): Promise<void> {
    process.exit(0);
  }
}
