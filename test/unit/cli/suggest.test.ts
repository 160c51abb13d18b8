import { describe, expect, it } from 'vitest';
import { type KnownCommand, type KnownFlag, suggest } from '../../../src/lib/cli/completion/suggest.js';

const option = (name: string, more: Partial<KnownFlag> = {}): KnownFlag => ({
  name,
  type: 'option',
  ...more,
});
const command = (
  id: string,
  flags: KnownFlag[] = [],
  args: KnownCommand['args'][string][] = [],
  more: Partial<KnownCommand> = {},
): KnownCommand => ({
  id,
  summary: `what ${id} does`,
  flags: Object.fromEntries(flags.map((flag) => [flag.name, flag])),
  args: Object.fromEntries(args.map((arg) => [arg.name, arg])),
  ...more,
});

const COMMANDS = [
  command(
    'worker',
    [
      option('queues', { char: 'Q', delimiter: ',', multiple: true }),
      option('models', { helpValue: '<dir>' }),
      option('model', { delimiter: ',' }),
      option('provider', {
        options: ['auto', 'cpu', 'cuda'],
        description: 'provider [default: auto; env: X]',
      }),
      { name: 'burst', type: 'boolean', description: 'end when empty' },
      option('secret', { hidden: true }),
    ],
    [],
  ),
  command(
    'submit',
    [option('wait', { helpValue: '[time]' }), option('output', { helpValue: '<file>' })],
    [{ name: 'file' }],
  ),
  command('redis:start'),
  command('redis:stop'),
  command('bench'),
  command('bench:model'),
  command('control:drain', [], [{ name: 'worker', multiple: true }]),
  command('control:move', [option('to', { helpValue: '<queue>' })], [{ name: 'job' }]),
  command('help', [], [], { strict: false, description: 'Display help.', summary: undefined }),
  command('help:exit-codes'),
  command('complete', [], [], { hidden: true }),
];

const values = (...words: string[]) => suggest(words, COMMANDS).values.map(({ value }) => value);
const live = (...words: string[]) => suggest(words, COMMANDS).live;

describe('shell completion', () => {
  it.each([
    [[''], ['bench', 'control', 'help', 'redis', 'submit', 'worker']],
    [['w'], ['worker']],
    [
      ['redis', ''],
      ['start', 'stop'],
    ],
    [['redis', 'sto'], ['stop']],
    [['bench', ''], ['model']],
    [['nothing', ''], []],
    [
      ['help', ''],
      ['bench', 'control', 'exit-codes', 'redis', 'submit', 'worker'],
    ],
    [
      ['help', 'redis', ''],
      ['start', 'stop'],
    ],
  ])('suggests commands: %j', (words, expected) => {
    expect(values(...words)).toEqual(expected);
  });

  it.each([
    [
      ['worker', '--'],
      ['--burst', '--model', '--models', '--provider', '--queues'],
    ],
    [['worker', '--burst', '--b'], []],
    [['worker', '-Q', 'a', '--q'], ['--queues']],
    [
      ['worker', '--provider', 'c'],
      ['cpu', 'cuda'],
    ],
    [
      ['worker', '--provider=c'],
      ['--provider=cpu', '--provider=cuda'],
    ],
    [['worker', '--burst=x'], []],
    [['worker', '--', '--b'], []],
  ])('suggests flags and their options: %j', (words, expected) => {
    expect(values(...words)).toEqual(expected);
  });

  it.each([
    [['worker', '-Q', 're'], { kind: 'queues', lead: '', start: 're', without: [] }],
    [['worker', '--queues', 'a,b,'], { kind: 'queues', lead: 'a,b,', start: '', without: ['a', 'b'] }],
    [['worker', '--queues=a,re'], { kind: 'queues', lead: '--queues=a,', start: 're', without: ['a'] }],
    [['worker', '--model', ''], { kind: 'models', lead: '', start: '', without: [] }],
    [['control', 'drain', 'w'], { kind: 'workers', lead: '', start: 'w', without: [] }],
    [['control', 'drain', 'w1', 'w'], { kind: 'workers', lead: '', start: 'w', without: [] }],
    [['control', 'move', 'x', '--to', ''], { kind: 'queues', lead: '', start: '', without: [] }],
  ])('requests live names: %j', (words, expected) => {
    expect(live(...words)).toEqual(expected);
  });

  it('leaves paths to the shell, and suggests no job ids', () => {
    expect(suggest(['submit', ''], COMMANDS).paths).toBe('files');
    expect(suggest(['submit', '--wait', ''], COMMANDS).paths).toBe('files');
    expect(suggest(['submit', 'a', '--output', ''], COMMANDS).paths).toBe('files');
    expect(suggest(['worker', '--models', ''], COMMANDS).paths).toBe('dirs');
    expect(suggest(['control', 'move', ''], COMMANDS)).toEqual({ values: [] });
  });

  it('describes suggestions, without the source of their defaults', () => {
    expect(suggest(['sub'], COMMANDS).values).toEqual([{ value: 'submit', about: 'what submit does' }]);
    expect(suggest(['hel'], COMMANDS).values).toEqual([{ value: 'help', about: 'Display help.' }]);
    expect(suggest(['worker', '--pro'], COMMANDS).values).toEqual([
      { value: '--provider', about: 'provider' },
    ]);
  });
});
