import { Errors, type Hook } from '@oclif/core';
import { commandLineOf } from '../command-line.js';
import { errorJson, printError } from '../output/error.js';
import { jsonText, writeText } from '../output/json.js';
import { unknownCommand } from '../unknown-command.js';

/**
 * `infer sbumit data.json`: suggests the intended command and exits 2. oclif joins every word before the
 * first flag into one id (`sbumit:data.json`), so the words are split again.
 */
const commandNotFound: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const words = id.startsWith('-') ? [id, ...argv] : id.split(':');
  const shown = unknownCommand(words, commandLineOf(config));
  if (argv.includes('--json')) await writeText(process.stdout, `${jsonText(errorJson(shown))}\n`);
  else printError(shown, !argv.includes('--no-color'));
  throw new Errors.ExitError(shown.exitCode);
};

export default commandNotFound;
