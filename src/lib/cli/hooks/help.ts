import { type Command, CommandHelp, Errors, Help } from '@oclif/core';
import { commandLineOf } from '../command-line.js';
import { errorJson, printError } from '../output/error.js';
import { jsonText, writeText } from '../output/json.js';
import { wrapWords } from '../output/sentence.js';
import { unknownHelp } from '../unknown-command.js';

/** The words of `USAGE`: a flag and its value, `[-c <n>]`, are one. */
function usageParts(usage: string): string[] {
  return usage.match(/\[(?:[^[\]]|\[[^\]]*\])*\](?:\.\.\.)?|\S+/g) ?? [];
}

/** Wraps text for a terminal, each of its lines separately. */
function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => wrapWords(line, Math.max(1, width)))
    .join('\n');
}

/** A command's help: lines are broken only between words, never within a command or a flag. */
class InferCommandHelp extends CommandHelp {
  override wrap(body: string, spacing = this.indentSpacing): string {
    return wrapped(this.render(body), this.opts.maxWidth - spacing);
  }

  protected override usage(): string {
    const parts = usageParts(this.render(super.usage()).replace(/\s+/g, ' '));
    const indent = ' '.repeat(this.indentSpacing * 2);
    // The section is indented once more.
    const room = this.opts.maxWidth - this.indentSpacing - indent.length;
    const lines: string[] = [];
    for (const part of parts) {
      const longer = `${lines.at(-1)} ${part}`;
      if (lines.length > 0 && longer.length <= room) lines[lines.length - 1] = longer;
      else lines.push(part);
    }
    return lines.map((line, at) => (at === 0 ? line : indent + line)).join('\n');
  }
}

/** The output of `--help` and `infer help`, and the message for an unknown topic. */
export default class InferHelp extends Help {
  protected override CommandHelpClass = InferCommandHelp;

  override wrap(body: string, spacing = this.indentSpacing): string {
    return wrapped(this.render(body), this.opts.maxWidth - spacing);
  }

  override async showHelp(argv: string[]): Promise<void> {
    const flags = argv.filter((word) => word.startsWith('-'));
    const words = argv.filter((word) => !word.startsWith('-')).flatMap((word) => word.split(':'));
    if (words.length === 1 && words[0] === 'help') {
      const help = this.config.findCommand('help');
      if (help !== undefined) return this.showCommandHelp(help);
    }
    // `infer help submit --help`; `help exit-codes` is a command of its own.
    const asked =
      words[0] === 'help' && words.length > 1 && !this.knows(words, true) ? words.slice(1) : words;
    if (asked.length > 0 && !this.knows(asked)) {
      const shown = unknownHelp(asked, commandLineOf(this.config));
      if (flags.includes('--json')) await writeText(process.stdout, `${jsonText(errorJson(shown))}\n`);
      else printError(shown, !flags.includes('--no-color'));
      throw new Errors.ExitError(shown.exitCode);
    }
    await super.showHelp(asked.length === words.length ? argv : [...asked, ...flags]);
  }

  /** Whether the words are a command or topic, or begin with a command that takes arguments. */
  private knows(words: readonly string[], exactly = false): boolean {
    const ids = words.map((_, at) => words.slice(0, at + 1).join(':')).reverse();
    const command = ids.map((id) => this.config.findCommand(id)).find((found) => found !== undefined);
    if (command !== undefined)
      return command.id.split(':').length === words.length || (!exactly && takesArguments(command));
    return ids[0] !== undefined && this.config.findTopic(ids[0]) !== undefined;
  }
}

function takesArguments({ args, strict }: Command.Loadable): boolean {
  return strict === false || Object.keys(args ?? {}).length > 0;
}
