import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { BaseCommand } from '../../../src/lib/cli/base-command.js';
import {
  asksForJson,
  type ListFormat,
  type ListView,
  listFormat,
  outputFlag,
  printList,
} from '../../../src/lib/cli/output/list-format.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { PIPED } from '../../support/layout.js';
import { runCommand } from './run-command.js';

interface Fruit {
  name: string;
  weight: number;
}

const FRUITS: Fruit[] = [
  { name: 'apple', weight: 150 },
  { name: 'pe\u001bar', weight: 170 },
];

const VIEW: ListView<Fruit> = {
  columns: [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'GRAMS', align: 'right', wide: true, cell: ({ weight }) => String(weight) },
  ],
  name: ({ name }) => name,
  empty: 'no fruit',
};

const TTY = { tty: true, width: 80, paint: plain };

async function printed(
  format: ListFormat,
  records: Iterable<Fruit> | AsyncIterable<Fruit> = FRUITS,
  layout = PIPED,
  view = VIEW,
): Promise<string> {
  let text = '';
  const stream = {
    write(more: string, done?: (error?: Error | null) => void) {
      text += more;
      done?.();
      return true;
    },
  };
  await printList({ format, layout, stream }, view, records);
  return text;
}

describe('a rendered list', () => {
  it('is tab-separated in a pipe, with the wide columns on request', async () => {
    expect(await printed('table')).toBe('NAME\napple\npe\\x1bar\n');
    expect(await printed('wide')).toBe('NAME\tGRAMS\napple\t150\npe\\x1bar\t170\n');
  });

  it('has borders on a terminal, and a sentence when it is empty', async () => {
    expect(await printed('wide', FRUITS, TTY)).toContain('│ apple    │   150 │');
    expect(await printed('table', [], TTY)).toBe('no fruit\n');
    expect(await printed('table', [])).toBe('NAME\n');
  });

  it('is one name or record per line, and nothing for json, which the command returns', async () => {
    expect(await printed('name')).toBe('apple\npe\\x1bar\n');
    expect(await printed('name', [])).toBe('');
    expect(
      (await printed('ndjson'))
        .split('\n')
        .slice(0, 2)
        .map((line) => JSON.parse(line)),
    ).toEqual(FRUITS);
    const view = { ...VIEW, json: ({ weight }: Fruit) => ({ weight }) };
    expect(await printed('ndjson', FRUITS, PIPED, view)).toBe('{"weight":150}\n{"weight":170}\n');
    expect(await printed('json')).toBe('');
  });

  it('has one header for any number of records', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({ name: `f${i}`, weight: i }));
    const lines = (await printed('table', many)).trimEnd().split('\n');
    expect(lines).toEqual(['NAME', ...many.map(({ name }) => name)]);
  });

  it('takes the next record only after the reader accepted the last', async () => {
    const release: (() => void)[] = [];
    const stream = new Writable({ write: (_chunk, _encoding, done) => void release.push(() => done()) });
    let made = 0;
    async function* source() {
      for (; made < 3; made++) yield { name: String(made), weight: made };
    }
    const all = printList({ format: 'ndjson', layout: PIPED, stream }, VIEW, source());
    for (let taken = 1; taken <= 3; taken++) {
      while (release.length === 0) await new Promise(setImmediate);
      expect(made).toBe(taken - 1);
      release.shift()?.();
    }
    expect(await all).toBe(3);
  });
});

describe('the list format', () => {
  it('follows -o unless --json is given; --quiet alone means names', () => {
    expect(listFormat(undefined, false, false)).toBe('table');
    expect(listFormat(undefined, false, true)).toBe('name');
    expect(listFormat('wide', false, true)).toBe('wide');
    expect(listFormat('ndjson', true, true)).toBe('json');
  });

  it('is recognised in the arguments only for commands with the list flag', () => {
    const flags = { output: outputFlag() };
    for (const words of [['-o', 'json'], ['-ojson'], ['-o=json'], ['--output', 'json'], ['--output=json']])
      expect(asksForJson(['x', ...words], flags)).toBe(true);
    expect(asksForJson(['-o', 'ndjson'], flags)).toBe(false);
    expect(asksForJson(['json'], flags)).toBe(false);
    expect(asksForJson(['--', '-o', 'json'], flags)).toBe(false);
    expect(asksForJson(['-o', 'json'], { output: {} })).toBe(false);
  });
});

class Fruits extends BaseCommand<typeof Fruits> {
  static override flags = { output: outputFlag() };
  async run(): Promise<{ fruits: Fruit[] }> {
    await printList(this.listTarget, VIEW, FRUITS);
    return { fruits: FRUITS };
  }
}

describe('a command with -o', () => {
  it('prints every format, and treats -o json like --json', async () => {
    expect((await runCommand(Fruits, ['-o', 'name'])).stdout).toBe('apple\npe\\x1bar\n');
    expect((await runCommand(Fruits, ['-q'])).stdout).toBe('apple\npe\\x1bar\n');
    for (const words of [['-o', 'json'], ['--json'], ['--json', '-o', 'ndjson']])
      expect(JSON.parse((await runCommand(Fruits, words)).stdout)).toEqual({ fruits: FRUITS });
  });

  it('names the available formats on an error, as JSON on request', async () => {
    const wrong = await runCommand(Fruits, ['-o', 'yaml']);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/table, wide, json, ndjson, name/);
    const other = await runCommand(Fruits, ['-o', 'json', '--nope']);
    expect(other.exitCode).toBe(2);
    expect(JSON.parse(other.stdout)).toMatchObject({ ok: false, error: { code: 'USAGE' } });
  });
});
