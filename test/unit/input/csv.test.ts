import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { type ReadOptions, readInput } from '../../../src/lib/input/read.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import { concatRows, decodeStrings } from '../../../src/lib/model/tensor.js';
import { floats, input, jsonModel, model, payloads, stream, table } from './signatures.js';

const three = model(input('x', 'float32', [3]));
const two = model(input('a', 'float32', []), input('b', 'float32', [2]));

async function read(
  text: string | Uint8Array,
  signature: ModelSignature,
  options: ReadOptions = {},
  cut?: number,
) {
  const all = await payloads(
    await readInput({ stdin: stream(text, cut), label: 't.csv' }, signature, options),
  );
  return concatRows(all);
}

async function refusal(
  text: string | Uint8Array,
  signature: ModelSignature,
  options: ReadOptions = {},
): Promise<string> {
  try {
    await read(text, signature, options);
  } catch (error) {
    const { code, exitCode, message, hint } = error as InferError;
    expect([exitCode, error]).toEqual([65, expect.any(InferError)]);
    return `${code} ${message} | ${hint}`;
  }
  return 'no error';
}

describe('a CSV table', () => {
  it.each([
    ['comma', 'x0,x1,x2\n1,2,3\n4,5,6\n'],
    ['semicolon', 'x0;x1;x2\n1;2;3\n4;5;6'],
    ['tab', 'x0\tx1\tx2\n1\t2\t3\n4\t5\t6\n'],
    ['pipe', 'x0|x1|x2\n1|2|3\n4|5|6\n'],
    ['CRLF', 'x0,x1,x2\r\n1,2,3\r\n4,5,6\r\n'],
    ['bare carriage returns', 'x0,x1,x2\r1,2,3\r4,5,6\r'],
    ['a byte order mark', '\ufeffx0,x1,x2\n1,2,3\n4,5,6\n'],
    ['empty lines', '\n\nx0,x1,x2\n\n1,2,3\n\n\n4,5,6\n\n'],
    ['quotes', '"x0","x1","x2"\n"1",2,"3"\n4,"5",6\n'],
    ['spaces around numbers', 'x0,x1,x2\n 1, 2 ,3\n4,5 ,6\n'],
    ['no header', '1,2,3\n4,5,6\n'],
    ['a header that counts', '0,1,2,z\n1,2,3,a\n4,5,6,b\n', { table: { header: true } }],
    ['columns of any order', 'x2,x1,x0\n3,2,1\n6,5,4\n'],
    ['numbers from 1', 'x_1,x_2,x_3\n1,2,3\n4,5,6\n'],
    ['brackets', 'x[0],x[1],x[2]\n1,2,3\n4,5,6\n'],
    ['another stem', 'id,f.0,f.1,f.2,label\na,1,2,3,9\nb,4,5,6,8\n'],
    ['names of their own', 'name,height,width,depth\na,1,2,3\nb,4,5,6\n'],
    ['an id and a label of numbers', 'id,height,width,depth,label\n8,1,2,3,0\n9,4,5,6,1\n'],
    ['an index without a name', ',height,width,depth\n0,1,2,3\n1,4,5,6\n'],
    ['a list in a cell', 'id,x\na,"[1,2,3]"\nb,"[4, 5, 6]"\n'],
    ['numbers in every notation', 'x0,x1,x2\n1.0,+2,3e0\n.4e1,5.,0.06E2\n'],
  ] as [string, string, ReadOptions?][])('is read with %s', async (_, text, options) => {
    for (const cut of [1, 7, 65_536]) {
      const rows = await read(text, three, { format: 'csv', ...options }, cut);
      expect([rows.rows, floats(rows)]).toEqual([2, [1, 2, 3, 4, 5, 6]]);
    }
  });

  it('is found without being named as one, from the cells of its first lines', async () => {
    for (const text of ['x0,x1,x2\n1,2,3\n4,5,6\n', '1;2;3\n4;5;6', 'x0\tx1\tx2\r\n1\t2\t3\r\n4\t5\t6\r\n'])
      expect(floats(await read(text, three))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('keeps delimiters, line ends and quotes within quoted cells', async () => {
    const rows = await read('name,age\n"a,\n""b""",1\nc,2\n', table, { format: 'csv' }, 3);
    expect(decodeStrings(rows.tensors[1]?.data as Uint8Array)).toEqual(['a,\n"b"', 'c']);
    expect(floats(rows)).toEqual([1, 2]);
  });

  it('takes columns that were asked for, by name and by range', async () => {
    const text = 'k,u,v,w\n7,1,2,3\n8,4,5,6\n';
    const columns = new Map([['x', ['w', 'k..u']]]);
    expect(floats(await read(text, three, { table: { columns } }))).toEqual([3, 7, 1, 6, 8, 4]);
  });

  it('maps several inputs by their names, and leaves out one that has a default', async () => {
    const rows = await read('b_0,b_1,a\n1,2,3\n4,5,6\n', two);
    expect([floats(rows, 0), floats(rows, 1)]).toEqual([
      [3, 6],
      [1, 2, 4, 5],
    ]);
    const filled = model(
      input('a', 'float32', [], { default: 9 }),
      input('b', 'float32', [2], { default: [7, 8] }),
    );
    const sparse = await read('a,b0,b1\n1,,2\n,3,\n', filled);
    expect([floats(sparse, 0), floats(sparse, 1)]).toEqual([
      [1, 9],
      [7, 2, 3, 8],
    ]);
    expect(floats(await read('b0,b1\n1,2\n3,4\n', filled), 0)).toEqual([9, 9]);
  });

  it('gives a model that takes JSON objects of all columns: numbers as JSON writes them, else text', async () => {
    const rows = await read('n,zip,long,text,none\n1.5,01234,12345678901234567,"a,b",\n', jsonModel, {
      format: 'csv',
    });
    expect(decodeStrings(rows.tensors[0]?.data as Uint8Array).map((text) => JSON.parse(text))).toEqual([
      { n: 1.5, zip: '01234', long: '12345678901234567', text: 'a,b', none: null },
    ]);
  });

  it('reads 5,000 columns, whose header is longer than one look at the file', async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `measurement_number_${i}`);
    const line = names.map((_, i) => i).join(',');
    const rows = await read(`${names.join(',')}\n${line}\n${line}\n`, model(input('m', 'float32', [5000])));
    expect([rows.rows, floats(rows)[9999]]).toEqual([2, 4999]);
  });

  it('keeps all digits of a long integer', async () => {
    const rows = await read('id\n9007199254740993\n', model(input('id', 'int64', [])), { format: 'csv' });
    expect(Buffer.from(rows.tensors[0]?.data as Uint8Array).readBigInt64LE()).toBe(9007199254740993n);
  });

  it.each([
    [
      'a short row',
      'x0,x1,x2\n1,2,3\n4,5\n',
      /^INPUT_TABLE t.csv, line 3: 2 cells found where the header has 3 \| complete/,
    ],
    [
      'a long row',
      'x0,x1,x2\n1,2,3,4\n',
      /^INPUT_TABLE t.csv, line 2: 4 cells found where the header has 3 \| put a cell/,
    ],
    [
      'a short row after a cell of several lines',
      't,x0,x1,x2\n"a\n\nb",1,2,3\n\n2\n',
      /t.csv, line 6: 1 cell found/,
    ],
    ['a ragged table without header', '1,2,3\n4,5\n', /line 2: 2 cells found where the first line has 3/],
    [
      'an empty cell',
      'x0,x1,x2\n1,,3\n',
      /^INPUT_VALUE t.csv, line 2, column 'x1': the value is missing; input 'x' of model digits has no default \| fill it in/,
    ],
    [
      'text for a number',
      'x0,x1,x2\n1,2,3\n1,two,3\n',
      /^INPUT_TYPE t.csv, line 3, column 'x1': the cell is text/,
    ],
    [
      'a decimal comma',
      'x0;x1;x2\n1;0,5;3\n',
      /column 'x1': the cell is text.* \| write numbers with a decimal point/,
    ],
    [
      'a number that is too large',
      'x0,x1,x2\n1,2,1e39\n',
      /^INPUT_VALUE t.csv, line 2, column 'x2': the cell is/,
    ],
    ['hexadecimal digits', 'x0,x1,x2\n1,2,0x10\n', /column 'x2': the cell is text/],
    [
      'a quote within a cell',
      'x0,x1,x2\n1,5" ,3\n',
      /^INPUT_TABLE t.csv, line 2: a double quote stands within a cell/,
    ],
    ['text after a quoted cell', 'x0,x1,x2\n1,"5"x,3\n', /line 2: a double quote stands within a cell/],
    [
      'a quote that is not closed',
      'x0,x1,x2\n1,2,3\n1,"2,3\n4,5,6\n',
      /^INPUT_TABLE t.csv, line 3: a quoted cell does not end/,
    ],
    [
      'a name that occurs twice',
      'a,b,a\n1,2,3\n',
      /^INPUT_TABLE columns 1 and 3 of t.csv are both named 'a'/,
    ],
    ['a header without rows', 'x0,x1,x2\n', /^INPUT_EMPTY t.csv holds a header and no rows/],
    ['nothing but blank lines', '\n\n', /^INPUT_EMPTY t.csv holds nothing but blank lines/],
    [
      'too few columns',
      'x0,x1\n1,2\n',
      /^INPUT_SHAPE t.csv has 2 columns for 'x', 'x0' to 'x1'; input 'x' of model digits takes 3 numbers \| name its columns: --columns x=FIRST..LAST/,
    ],
    [
      'too many columns of numbers',
      'p,q,r,s\n1,2,3,4\n',
      /^INPUT_NAMES t.csv has no column for 'x'; .* takes 3 numbers, and there are 4 columns of numbers among 'p', 'q', 'r', 's' \| say which columns make it: --columns x=FIRST..LAST/,
    ],
    [
      'bytes that are not UTF-8',
      Buffer.from('x0,x1,x2\n1,2,3\n1,2,\xff\n', 'latin1'),
      /^INPUT_ENCODING t.csv, line 3: the text is not valid UTF-8/,
    ],
    [
      'a character cut off',
      Buffer.from('x0,x1,x2\n1,2,3\n1,2,\xc3', 'latin1'),
      /^INPUT_ENCODING t.csv, line 3/,
    ],
    [
      'UTF-16',
      Buffer.from('\ufeffx0,x1,x2\n1,2,3\n', 'utf16le'),
      /^INPUT_FORMAT t.csv is UTF-16 text.* \| convert it first: iconv/,
    ],
    [
      'a row that is too long',
      `x0,x1,x2\n1,2,${'3'.repeat(5000)}\n`,
      /^INPUT_(TOO_LARGE t.csv, line 2: one row of the table|VALUE)/,
    ],
  ] as [string, string | Uint8Array, RegExp][])('is refused with %s', async (_, text, expected) => {
    expect(await refusal(text, three, { format: 'csv', maxBytes: 4096 })).toMatch(expected);
  });

  it('is refused with a NUL in text, naming line and column', async () => {
    expect(await refusal('name,age\na,1\nb\0,2\n', table, { format: 'csv' })).toMatch(
      /^INPUT_VALUE t.csv, line 3, column 'name': the cell is text with a NUL character/,
    );
  });

  it.each([
    [['y', ['a']], /'y' is not an input of model digits/],
    [['x', ['x9']], /t.csv has no column 'x9' \| did you mean 'x0'/],
    [['x', ['x2..x0']], /column 'x0' of t.csv comes before 'x2'/],
  ] as [[string, string[]], RegExp][])(
    'says what is wrong with the columns asked for: %j',
    async (wish, expected) => {
      expect(await refusal('x0,x1,x2\n1,2,3\n', three, { table: { columns: new Map([wish]) } })).toMatch(
        expected,
      );
    },
  );

  it('gives the chunks of the rows before a bad one', async () => {
    const text = `x0,x1,x2\n${'1,2,3\n'.repeat(600)}1,2\n`;
    const opened = await readInput({ stdin: stream(text, 500), label: 't.csv' }, three);
    let rows = 0;
    const reading = (async () => {
      if (opened.kind === 'many') for await (const chunk of opened.chunks) rows += chunk.rows;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'INPUT_TABLE' });
    expect(rows).toBe(512);
  });
});
