import { describe, expect, it } from 'vitest';
import { unknownCommand, unknownHelp } from '../../../src/lib/cli/unknown-command.js';

const LINE = {
  bin: 'infer',
  commands: [
    ...['submit', 'models', 'worker', 'redis:start', 'redis:status', 'redis:stop', 'help', 'help:exit-codes'],
    ...['inspect', 'inspect:queues', 'inspect:workers', 'control:purge', 'workers:start', 'workers:stop'],
  ],
  globalFlags: ['--json', '--redis', '--quiet', '-q'],
};
const shown = (message: string, hint: string) => ({ code: 'USAGE', message, hint, exitCode: 2 });

describe('a command that does not exist', () => {
  it.each([
    ['sbumit data.json', "there is no command 'infer sbumit'", "did you mean 'infer submit'?"],
    ['redis strat', "there is no command 'infer redis strat'", "did you mean 'infer redis start'?"],
    ['reddis stop', "there is no command 'infer reddis'", "did you mean 'infer redis stop'?"],
    ['redis qqqqqq', "there is no command 'infer redis qqqqqq'", 'infer redis --help'],
    ['redis stop now', 'unexpected argument: now', 'infer redis stop --help'],
    ['inspect queus', "there is no command 'infer inspect queus'", "did you mean 'infer inspect queues'?"],
    ['inspect queues now', 'unexpected argument: now', 'infer inspect queues --help'],
    ['inspect zzzzzz', 'unexpected argument: zzzzzz', 'infer inspect --help'],
    ['zzzzzz', "there is no command 'infer zzzzzz'", 'infer --help'],
    ['purge', "there is no command 'infer purge'", "did you mean 'infer control purge'?"],
    ['stop', "there is no command 'infer stop'", "did you mean 'infer redis stop' or 'infer workers stop'?"],
    ['exitcodes', "there is no command 'infer exitcodes'", "did you mean 'infer help exit-codes'?"],
    ['version', "there is no command 'infer version'", "did you mean 'infer --version'?"],
  ])('is rejected with a suggestion: %s', (typed, message, hint) => {
    expect(unknownCommand(typed.split(' '), LINE)).toEqual(shown(message, hint));
  });
});

describe('a flag where a command should be', () => {
  const first = (flag: string) => `the command comes first, then its flags: ${flag} was given before it`;

  it.each([
    ['--versoin', 'there is no flag --versoin', "did you mean 'infer --version'?"],
    ['--hlep', 'there is no flag --hlep', "did you mean 'infer --help'?"],
    ['--jsn inspect', 'there is no flag --jsn', "did you mean 'infer COMMAND --json'?"],
    ['-x', 'there is no flag -x', 'infer --help'],
    ['--json', first('--json'), 'infer COMMAND --json'],
    ['-q inspect queues', first('-q'), 'infer inspect queues -q'],
    ['--redis redis://h:1 submit x.json', first('--redis'), 'infer submit x.json --redis redis://h:1'],
    ['--redis=redis://h:1 models', first('--redis'), 'infer models --redis=redis://h:1'],
  ])('is rejected with a suggestion: %s', (typed, message, hint) => {
    expect(unknownCommand(typed.split(' '), LINE)).toEqual(shown(message, hint));
  });
});

describe('help on what does not exist', () => {
  it.each([
    ['exitcodes', "did you mean 'infer help exit-codes'?"],
    ['exit-code', "did you mean 'infer help exit-codes'?"],
    ['sbumit', "did you mean 'infer help submit'?"],
    ['redis stat', "did you mean 'infer help redis start'?"],
    ['purge', "did you mean 'infer help control purge'?"],
    ['zzzzzz', 'infer --help'],
  ])('is rejected with a suggestion: %s', (typed, hint) => {
    expect(unknownHelp(typed.split(' '), LINE)).toEqual(shown(`there is no help on '${typed}'`, hint));
  });
});
