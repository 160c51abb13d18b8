import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/lib/input/bytes.js';
import { checkStart, sniff } from '../../../src/lib/input/sniff.js';
import { failure, npy } from './signatures.js';

/** A reader of these bytes, split after every `cut` bytes. */
function reader(bytes: string | Uint8Array, label = 'standard input', cut = 65_536): ByteReader {
  const buffer = Buffer.from(bytes as string);
  let at = 0;
  const pull = async () => {
    const block = buffer.subarray(at, at + cut);
    at += cut;
    return block.length === 0 ? undefined : block;
  };
  return new ByteReader(label, pull, async () => undefined);
}

const LIMIT = 1 << 20;
const array = npy('<f4', [1], new Uint8Array(4));

describe('the format of an input', () => {
  it.each<[string, string | Uint8Array, string, boolean]>([
    ['one document on one line', '[1,2]', 'json', true],
    ['the same with a newline', '[1,2]\n', 'json', true],
    ['the same among blank lines', '\n \t\r\n [1,2] \r\n\n\t ', 'json', true],
    ['a document of several lines', '[1,\n2]', 'json', false],
    ['a document of several lines after blank ones', '\r\n\t {\n}', 'json', false],
    ['two lines', '[1]\n[2]', 'ndjson', false],
    ['two lines among blank ones', '\n\n [1] \n\t\r\n \n[2]\n', 'ndjson', false],
    ['two numbers', '1\n2\n', 'ndjson', false],
    ['a broken document', '{"a": ', 'json', true],
    ['text with a comma in a list', '[1, 2\n3, 4]', 'json', false],
    ['an array', array, 'npy', false],
    ['an array whose bytes look like lines', Buffer.concat([array, Buffer.from('\n[1]\n')]), 'npy', false],
  ])(
    'is detected wherever the bytes are split, and nothing is lost: %s',
    async (_, bytes, format, oneLine) => {
      const all = Buffer.from(bytes as string);
      for (const cut of [1, 2, 3, 5, 64, 65_536]) {
        const source = reader(all, 'standard input', cut);
        expect(await sniff(source, LIMIT), String(cut)).toEqual({ format, oneLine });
        expect(await source.rest(LIMIT, 'all')).toEqual(all);
      }
    },
  );

  it('is that of its file name, even with one line', async () => {
    for (const name of ['rows.ndjson', 'rows.jsonl', 'ROWS.JSONL']) {
      expect(await sniff(reader('[1]\n', name), LIMIT)).toEqual({ format: 'ndjson', oneLine: false });
    }
    expect(await sniff(reader('[1]\n', 'rows.json'), LIMIT)).toEqual({ format: 'json', oneLine: true });
    expect(await sniff(reader(array, 'rows.ndjson'), LIMIT)).toEqual({ format: 'npy', oneLine: false });
  });
});

describe('an input without a known format', () => {
  const refusal = async (bytes: string | Uint8Array, label?: string, cut?: number, limit = LIMIT) => {
    const { code, message, hint } = await failure(() => sniff(reader(bytes, label, cut), limit));
    return [code, message, hint];
  };
  const GIVE = 'give JSON, one row a line (NDJSON), a table (CSV, Parquet), or an .npy file';

  it.each([1, 3, 65_536])('is refused with its type, split after %i bytes', async (cut) => {
    expect(await refusal('[1]', 'x.npy', cut)).toEqual([
      'INPUT_FORMAT',
      'x.npy is no NumPy array, which infer does not read',
      'write it with numpy.save',
    ]);
    expect(await refusal(' \r\n\t \n', 'rows.json', cut)).toEqual([
      'INPUT_EMPTY',
      'rows.json holds nothing but blank lines',
      'give one row or more',
    ]);
    for (const binary of ['ab\0cd', 'ab\ncd\0ef', 'ab\n\ncd\0']) {
      expect(await refusal(binary, undefined, cut), JSON.stringify(binary)).toEqual([
        'INPUT_FORMAT',
        'standard input is binary data, which infer does not read',
        GIVE,
      ]);
    }
    expect(await refusal(Buffer.from('grüße', 'latin1'), undefined, cut)).toEqual([
      'INPUT_FORMAT',
      'standard input is not UTF-8 text, which infer does not read',
      GIVE,
    ]);
  });

  it('is a table only if it looks like one, or is named as one', async () => {
    const found = async (text: string, name?: string) => (await sniff(reader(text, name, 4), LIMIT)).format;
    for (const text of ['a,b\n1,2\n', '\n\n  a,b\n1,2\n', '1,2,3', 'a\tb\n1\t2\n', 'a;b;c\n1,5;2;3\n'])
      expect([text, await found(text)]).toEqual([text, 'csv']);
    expect(await found('a\n1\n', 'rows.csv')).toBe('csv');
    expect(await found('a\n1\n', 'rows.TSV')).toBe('tsv');
    expect(await found('[1]\n', 'rows.csv.gz')).toBe('csv');
    // The second line has a different number of cells: text, which is malformed JSON.
    expect(await sniff(reader('a, b\nc\n'), LIMIT)).toEqual({ format: 'json', oneLine: false });
    expect(await sniff(reader('plain words'), LIMIT)).toEqual({ format: 'json', oneLine: true });
  });

  it('is refused when its first line does not fit into memory', async () => {
    const line = `[${'1,'.repeat(48)}1]`; // 99 bytes
    for (const cut of [7, 65_536]) {
      expect(await refusal(line, undefined, cut, 98)).toEqual([
        'INPUT_TOO_LARGE',
        'the first line is larger than 98 B, the most that is held in memory',
        expect.stringContaining('write one row a line (NDJSON)'),
      ]);
      expect(await sniff(reader(line, undefined, cut), 99)).toEqual({ format: 'json', oneLine: true });
    }
    // The data after it does not count: it is streamed.
    expect(await sniff(reader('[1]\n[1,2,3,4,5,6]'), 5)).toEqual({ format: 'ndjson', oneLine: false });
  });
});

describe('the start of an input', () => {
  it('is refused if it is empty, or a file of another type', async () => {
    const empty = await failure(() => checkStart(reader('', 'rows.json')));
    expect([empty.code, empty.message, empty.hint]).toEqual([
      'INPUT_EMPTY',
      'rows.json is empty',
      'give one row or more',
    ]);
    const zip = await failure(() => checkStart(reader('PK\x03\x04 and more', 'rows.npz')));
    expect(zip.code).toBe('INPUT_FORMAT');
  });

  it('loses only its byte order mark', async () => {
    for (const text of ['[1]', '\ufeff[1]', '\ufeff', 'ï»']) {
      for (const cut of [1, 2, 65_536]) {
        const source = reader(text, undefined, cut);
        await checkStart(source);
        expect((await source.rest(LIMIT, 'all')).toString()).toBe(text.replace('\ufeff', ''));
      }
    }
  });
});
