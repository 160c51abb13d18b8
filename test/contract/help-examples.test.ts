import { type Command, Config } from '@oclif/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.js';
import { COMMANDS, callsIn, commandOf } from './command-line.js';

/** oclif keeps both out of its public types; a command is created and prepared as `infer` does it. */
type Made = { init(): Promise<void> };

let config: Config;
beforeAll(async () => {
  config = await Config.load({ root: ROOT });
});

/** Parses a call as the command does at its start: flags, arguments, settings; runs nothing. */
async function parse(words: readonly string[]): Promise<string> {
  const command = commandOf(words);
  if (command === undefined) throw new Error(`no such command: ${words.join(' ')}`);
  const load = await config.findCommand(command.id, { must: true }).load();
  const Made = load as unknown as new (argv: string[], config: Config) => Command & Made;
  await (new Made(command.rest, config) as unknown as Made).init();
  return command.id;
}

const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => hidden !== true);

describe('the examples in --help', () => {
  it('exist for every command', () => {
    expect(shown.filter(([, { examples = [] }]) => examples.length === 0).map(([id]) => id)).toEqual([]);
  });

  it.each(shown)('of %s parse as written, and call that command', async (id, { examples = [] }) => {
    const ids = new Set<string>();
    for (const example of examples) {
      const calls = callsIn(example.replaceAll('<%= config.bin %>', 'infer'));
      expect(calls.length, example).toBeGreaterThan(0);
      for (const call of calls) ids.add(await parse(call));
    }
    expect([...ids]).toContain(id);
  });

  it('are really parsed: a misspelt word is refused', async () => {
    await expect(parse(['submit', 'rows.json', '--prioritty', '9'])).rejects.toThrow(/prioritty/);
    await expect(parse(['submit', 'rows.json', '--priority', '12'])).rejects.toThrow(/priority/);
    await expect(parse(['cancel'])).rejects.toThrow(/arg/i);
    await expect(parse(['redis', 'stopp'])).rejects.toThrow('no such command');
  });
});

describe('callsIn', () => {
  it('finds the infer calls of a shell line', () => {
    expect(callsIn(`eval "$(infer completion bash)"`)).toEqual([['completion', 'bash']]);
    expect(callsIn('source <(infer completion zsh)')).toEqual([['completion', 'zsh']]);
    expect(callsIn(`$ infer inspect --json | jq '.a | .b' > out.json  # and more`)).toEqual([
      ['inspect', '--json'],
    ]);
    expect(callsIn('A=1 infer inspect; infer models && ls')).toEqual([['inspect'], ['models']]);
    expect(callsIn(`infer control set '*' max-batch auto`)).toEqual([
      ['control', 'set', '*', 'max-batch', 'auto'],
    ]);
    expect(callsIn('infer inspect jobs -o name | xargs -n 1 infer cancel')).toEqual([
      ['inspect', 'jobs', '-o', 'name'],
    ]);
  });
});
