import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isMainThread } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Input, readInput } from '../../../src/lib/input/read.js';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { decodeStrings, type Payload } from '../../../src/lib/model/tensor.js';
import { withoutRoot } from '../../support/ordinary-user.js';
import {
  digits,
  failure,
  floats,
  input,
  jsonModel,
  model,
  payloads,
  readAll,
  stream,
  table,
} from './signatures.js';

const pair = model(input('x', 'float32', [2]));
const texts = (payload: Payload) => decodeStrings(payload.tensors[0]?.data as Uint8Array);
const read = (bytes: string | Uint8Array, signature = pair, options = {}): Promise<Input> =>
  readInput({ stdin: stream(bytes) }, signature, options);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'infer-input-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('format detection', () => {
  it.each<[string, string, 'one' | 'many', number[]]>([
    ['a row', '[1, 2]', 'one', [1, 2]],
    ['a named row', '{"x": [1, 2]}\n', 'one', [1, 2]],
    ['a pretty document', '{\n  "x": [\n    1,\n    2\n  ]\n}\n', 'one', [1, 2]],
    ['a list of rows', '[[1, 2], [3, 4]]', 'many', [1, 2, 3, 4]],
    ['a list with a row a line', '[\n[1, 2],\n[3, 4]\n]', 'many', [1, 2, 3, 4]],
    ['a list of one row', '[[1, 2]]', 'one', [1, 2]],
    ['NDJSON of lists', '[1, 2]\n[3, 4]', 'many', [1, 2, 3, 4]],
    ['NDJSON with labels', '{"x": [1, 2], "label": 5}\n{"x": [3, 4]}\n', 'many', [1, 2, 3, 4]],
    ['one line with a label', '{"x": [1, 2], "label": 5}\n', 'one', [1, 2]],
    ['blank lines and CRLF', '\r\n\n[1, 2]\r\n  \r\n[3, 4]\r\n\n', 'many', [1, 2, 3, 4]],
    ['a byte order mark', '\ufeff[1, 2]\n[3, 4]', 'many', [1, 2, 3, 4]],
    ['a byte order mark on a document', '\ufeff[1, 2]', 'one', [1, 2]],
    [
      'an inference request',
      '{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}',
      'many',
      [1, 2, 3, 4],
    ],
  ])('recognises %s', async (_, text, kind, expected) => {
    for (const cut of [1, 5, 65_536]) {
      const result = await readInput({ stdin: stream(text, cut) }, pair);
      expect(result.kind).toBe(kind);
      expect((await payloads(result)).flatMap((payload) => floats(payload))).toEqual(expected);
    }
  });

  it('accepts strings from a stream with an encoding', async () => {
    const result = await readInput({ stdin: Readable.from(['[1,', ' 2]']) }, pair);
    expect(result.kind).toBe('one');
  });

  it('knows the number of rows of a document, not of NDJSON', async () => {
    expect(await read('[[1,2],[3,4]]')).toMatchObject({ rows: 2 });
    expect(await read('[1,2]\n[3,4]')).toMatchObject({ rows: undefined });
  });

  it('keeps the text of JSON rows', async () => {
    expect(texts(await readAll('{"id": 9007199254740993}\n[1, 2]\n"x"', jsonModel))).toEqual([
      '{"id": 9007199254740993}',
      '[1, 2]',
      '"x"',
    ]);
    expect(texts(await readAll('[{"a": "\u00e9"}, 2]', jsonModel))).toEqual(['{"a":"\u00e9"}', '2']);
  });

  it('keeps UTF-8 intact over any chunk boundary', async () => {
    const model1 = model(input('t', 'string', []));
    const words = ['gr\u00fc\u00df', '\u{1f600}', 'a'];
    for (let cut = 1; cut < 12; cut++) {
      expect(
        texts(await readAll(words.map((word) => JSON.stringify(word)).join('\n'), model1, {}, cut)),
      ).toEqual(words);
    }
  });
});

describe('parsing in chunks', () => {
  const rows = fc.array(
    fc.tuple(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
      fc.integer({ min: -9999, max: 9999 }),
    ),
    { minLength: 1, maxLength: 40 },
  );
  it('yields the same rows for any stream and chunk boundaries, and for NDJSON and JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 50 }),
        async (values, cut, chunkRows) => {
          const expected = payloadFromValue(values, pair);
          const ndjson = values.map((row) => JSON.stringify({ label: 1, x: row })).join('\n');
          for (const text of [ndjson, JSON.stringify(values), JSON.stringify({ x: values }, null, 1)]) {
            const got = await readAll(
              text,
              pair,
              { chunkRows, format: text === ndjson ? 'ndjson' : 'json' },
              cut,
            );
            expect(got.rows).toBe(values.length);
            expect(Buffer.compare(got.tensors[0]?.data as Buffer, expected.tensors[0]?.data as Buffer)).toBe(
              0,
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never exceeds the chunk limits', async () => {
    const text = Array.from({ length: 100 }, (_, i) => `[${i},${i}]`).join('\n');
    const chunks = await payloads(await read(text, pair, { chunkRows: 7, chunkBytes: 40 }));
    expect(chunks.map((chunk) => chunk.rows)).toEqual(new Array(20).fill(5));
    expect(await read('[1,2]\n[3,4]', pair, { chunkRows: 1 })).toMatchObject({ kind: 'many' });
    expect(await read('[1,2]\n', pair, { chunkRows: 1, format: 'ndjson' })).toMatchObject({ kind: 'one' });
  });
});

describe('a long stream', () => {
  it('ends its source when the reader stops early', async () => {
    let pulled = 0;
    const source = Readable.from(
      (function* () {
        for (; pulled < 10_000; pulled++) yield Buffer.from('[1,2]\n'.repeat(1000));
      })(),
    );
    const result = await readInput({ stdin: source }, pair);
    if (result.kind === 'one') throw new Error('one row');
    for await (const _ of result.chunks) break;
    expect(source.destroyed).toBe(true);
    expect(pulled).toBeLessThan(100);
    await result.close();
  });
});

describe('bad data (exit 65)', () => {
  const bulk = `${'[1,2]\n'.repeat(300)}[1]\n[3,4]\n`;
  it.each<[string, string | Uint8Array, string, string]>([
    ['empty', '', 'INPUT_EMPTY', 'standard input is empty'],
    ['blank', ' \n\r\n', 'INPUT_EMPTY', 'blank lines'],
    ['empty list', '[]', 'INPUT_EMPTY', 'no rows'],
    ['malformed document', '{\n "x": [1,\n  2,]\n}', 'INPUT_JSON', 'line 3, column 5: malformed JSON'],
    ['cut document', '{"x": [1,', 'INPUT_JSON', 'line 1, column 10: malformed JSON: the text ends too soon'],
    ['NaN', '[1, NaN]', 'INPUT_JSON', 'column 5: malformed JSON: NaN is not JSON'],
    ['single quotes', "{'x': 1}", 'INPUT_JSON', 'double quotes'],
    ['malformed line', '[1,2]\n\n[3,4\n', 'INPUT_JSON', 'line 3, column'],
    ['malformed last line', '[1,2]\n[3 4]', 'INPUT_JSON', 'line 2, column 4'],
    ['infinite', '[1, 1e999]', 'INPUT_VALUE', 'element 2 is infinite'],
    ['null', '[1,2]\n[1,null]', 'INPUT_VALUE', 'line 2: element 2 is null'],
    ['text', '[1,2]\n[1,"secret"]', 'INPUT_TYPE', 'line 2: element 2 is text'],
    [
      'wrong count in bulk',
      bulk,
      'INPUT_SHAPE',
      "line 301: 1 number found; input 'x' of model digits takes 2",
    ],
    ['rows on a line', '[1,2]\n[[1,2],[3,4]]', 'INPUT_SHAPE', 'line 2: a list of shape 2 x 2'],
    ['missing field', '{"x":[1,2]}\n{"y":[1,2]}', 'INPUT_NAMES', "line 2: no 'x' found"],
    ['extra field in a document', '{"x":[1,2],\n"y":1}', 'INPUT_NAMES', "'y' is not an input"],
    ['prototype', '[1,2]\n{"__proto__":[1],"x":[1,2]}', 'INPUT_KEY', 'line 2'],
    ['too deep', '['.repeat(100), 'INPUT_TOO_DEEP', '64 deep'],
    ['too deep line', `[1,2]\n${'['.repeat(9000)}`, 'INPUT_TOO_DEEP', 'line 2'],
    ['not UTF-8', Buffer.from('[1,2]\n["\xff\xfe", 2]\n', 'latin1'), 'INPUT_ENCODING', 'line 2'],
    ['not UTF-8 at all', Buffer.from('[\n"\xff\xfe"]', 'latin1'), 'INPUT_ENCODING', 'UTF-8'],
    ['binary', Buffer.from([1, 2, 0, 4, 5, 6, 200, 201, 0]), 'INPUT_FORMAT', 'binary data'],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0]), 'INPUT_GZIP', 'gzip'],
    ['npz', Buffer.from('PK\x03\x04aaaaaaa', 'latin1'), 'INPUT_FORMAT', '.npz'],
    ['UTF-16', Buffer.from('\ufeff[1,2]', 'utf16le'), 'INPUT_FORMAT', 'UTF-16'],
  ])('is rejected: %s', async (_, bytes, code, words) => {
    const error = await failure(async () => payloads(await read(bytes)));
    expect(error.message).toContain(words);
    expect([error.code, error.exitCode]).toEqual([code, 65]);
    expect(`${error.message}${error.hint}`).not.toContain('secret');
    expect(error.hint).toBeTruthy();
  });

  it('is rejected before more than maxBytes is buffered', async () => {
    const long = `[${'1, '.repeat(1000)}2]`;
    for (const text of [long, `[1,2]\n${long}`, `[\n${long}]`]) {
      const error = await failure(async () => payloads(await read(text, pair, { maxBytes: 100 })));
      expect(error.code).toBe('INPUT_TOO_LARGE');
    }
  });

  it('is reported after the chunks before it were delivered', async () => {
    const result = await read(bulk, pair);
    const rows: number[] = [];
    const error = await failure(async () => {
      if (result.kind === 'many') for await (const chunk of result.chunks) rows.push(chunk.rows);
    });
    expect([rows, error.code]).toEqual([[256], 'INPUT_SHAPE']);
  });

  it('is detected in text, and row by row in tables', async () => {
    expect(
      (await failure(() => readAll('{"age":1,"name":"a"}\n{"age":1,"name":"a\\u0000"}', table))).message,
    ).toContain('line 2: element 1 is text with a NUL');
    expect((await readAll('{"age":1,"name":"a"}\n{"name":"b","age":[2]}', table)).rows).toBe(2);
    expect((await failure(() => readAll('{"a":1e999}\n{"a":1}', jsonModel))).message).toContain('line 1');
  });
});

describe('files (exit 66)', () => {
  it('are read, with NDJSON recognised by name', async () => {
    const path = join(dir, 'rows.ndjson');
    await writeFile(path, '{"x":[1,2],"label":1}\n');
    expect(await readInput({ path }, pair)).toMatchObject({ kind: 'one' });
    await writeFile(join(dir, 'row.json'), '{"x":[1,2],"label":1}\n');
    expect((await failure(() => readInput({ path: join(dir, 'row.json') }, pair))).code).toBe('INPUT_NAMES');
  });

  it('that do not exist are rejected with similar names', async () => {
    const error = await failure(() => readInput({ path: join(dir, 'row.ndjson') }, pair));
    expect([error.code, error.exitCode]).toEqual(['INPUT_MISSING', 66]);
    expect(error.hint).toContain('rows.ndjson');
    expect((await failure(() => readInput({ path: join(dir, 'no', 'such') }, pair))).code).toBe(
      'INPUT_MISSING',
    );
  });

  it('are rejected when a directory, or when the stream breaks', async () => {
    const folder = await failure(() => readInput({ path: dir }, pair));
    expect([folder.code, folder.exitCode]).toEqual(['INPUT_DIRECTORY', 66]);
    const broken = new Readable({
      read() {
        this.destroy(new Error('pipe'));
      },
    });
    expect((await failure(() => readInput({ stdin: broken }, pair))).code).toBe('INPUT_UNREADABLE');
  });

  // A thread, as in a mutation run, cannot drop root's permissions.
  it.runIf(isMainThread)('are rejected when not readable', async () => {
    const path = join(dir, 'closed.json');
    await writeFile(path, '[1,2]');
    await chmod(dir, 0o755);
    await chmod(path, 0);
    const closed = await withoutRoot(() => failure(() => readInput({ path }, pair)));
    expect([closed.code, closed.exitCode]).toEqual(['INPUT_UNREADABLE', 66]);
    expect(closed.message).toContain('closed.json');
  });

  it('of examples/ contain what they claim', async () => {
    const example = (name: string) => readInput({ path: `examples/${name}` }, digits);
    expect(JSON.parse(await readFile('examples/one-digit.json', 'utf8'))).toHaveLength(64);
    expect(await example('one-digit.json')).toMatchObject({ kind: 'one', payload: { rows: 1 } });
    expect(await example('oip-request.json')).toMatchObject({ kind: 'many', rows: 2 });
  });
});

describe('a document and its lines', () => {
  const small = { maxBytes: 20 };

  it('report what is too large, and why it was read as a document', async () => {
    const guessed = await failure(() => read(`[\n${'1,'.repeat(30)}1]`, pair, small));
    expect(guessed.message).toContain(
      'the JSON document (not NDJSON: its first line is not a complete JSON value) is larger than 20 B',
    );
    const asked = await failure(() => read(`[\n${'1,'.repeat(30)}1]`, pair, { ...small, format: 'json' }));
    expect(asked.message).toContain('the JSON document is larger than 20 B');
    const line = await failure(async () =>
      payloads(await read(`[1,2]\n[1,${' '.repeat(30)}2]`, pair, { maxBytes: 10 })),
    );
    expect(line.message).toContain('line 2');
    expect(line.message).toContain('one line is larger than 10 B');
  });

  it('may each be exactly as large as allowed', async () => {
    const nine = '[1,    2]';
    expect(await read(nine, pair, { maxBytes: 9, format: 'json' })).toMatchObject({ kind: 'one' });
    expect((await readAll(`${nine}\n${nine}\n${nine}`, pair, { maxBytes: 9 }, 4)).rows).toBe(3);
  });

  it('without rows are refused', async () => {
    const none = await failure(() => read('\n \n', pair, { format: 'ndjson' }));
    expect([none.code, none.message, none.hint]).toEqual([
      'INPUT_EMPTY',
      'standard input holds no rows',
      'give one row or more',
    ]);
  });

  it('name the line whose text is not UTF-8, and no other', async () => {
    const bad = Buffer.concat([Buffer.from('[1,2]\n"ü"\n"'), Buffer.of(0xfc), Buffer.from('"\n')]);
    for (const cut of [3, 65_536]) {
      const error = await failure(() => readAll(bad, jsonModel, {}, cut));
      expect([error.code, /line (\d+)/.exec(error.message)?.[1]]).toEqual(['INPUT_ENCODING', '3']);
    }
    expect((await readAll('"ü"\n"日本"\n', jsonModel, {}, 1)).rows).toBe(2);
  });

  it('of JSON keep the text of a row unchanged', async () => {
    const payload = await readAll('  {"a": 1.50}  \r\n\t[1e2]\t\n', jsonModel);
    expect(payload.rows).toBe(2);
    const text = Buffer.from(payload.tensors[0]?.data ?? []).toString();
    expect(text).toContain('{"a": 1.50}');
    expect(text).toContain('[1e2]');
    expect(text).not.toMatch(/\}\s|\]\s/);
  });

  it('may each have a byte order mark, and be indented', async () => {
    const marked = '\ufeff[1,2]\n\ufeff \t[3,4]\n \t\r\n\ufeff\n[5,6]';
    for (const cut of [1, 65_536]) expect((await readAll(marked, pair, {}, cut)).rows).toBe(3);
  });

  it('are refused when nested too deeply, on any line', async () => {
    const deep = `${'['.repeat(70)}1${']'.repeat(70)}`;
    for (const [text, signature] of [
      [`[1,2]\n${' '.repeat(200)}${deep}${' '.repeat(5000)}`, pair],
      [`[1,2]\n${deep}`, jsonModel],
    ] as const) {
      const error = await failure(() => readAll(text, signature));
      expect([error.code, error.message]).toEqual(['INPUT_TOO_DEEP', expect.stringContaining('line 2')]);
    }
  });
});
