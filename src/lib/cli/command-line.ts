import type { Interfaces } from '@oclif/core';
import { BaseCommand } from './base-command.js';
import type { CommandLine } from './unknown-command.js';

/** The command line of this program, without hidden commands. */
export function commandLineOf({ bin, commands }: Interfaces.Config): CommandLine {
  return {
    bin,
    commands: commands.filter(({ hidden }) => !hidden).map(({ id }) => id),
    globalFlags: Object.entries(BaseCommand.baseFlags).flatMap(([name, { char }]) =>
      char === undefined ? [`--${name}`] : [`--${name}`, `-${char}`],
    ),
  };
}
