import { describe, expect, it } from 'vitest';
import {
  decodeText,
  malformed,
  parseDocument,
  refuseDuplicates,
  refuseShape,
} from '../../../src/lib/input/json-document.js';

const bytes = (text: string) => Buffer.from(text);
const JQ = 'check the document with: jq . < FILE';

describe('malformed JSON', () => {
  it.each<[string, string, number | undefined, string, string]>([
    ['a document', '{"a": 1,\n "b": }', undefined, 'line 2, column 7', JQ],
    ['a line of NDJSON', '{"a": ', 7, 'line 7, column 7', 'look at that line: sed -n 7p FILE'],
    [
      'NDJSON read as one document',
      '[1]\n[2]',
      undefined,
      'line 2, column 1',
      'for one row a line (NDJSON) every line must be complete JSON, the first too',
    ],
    ['NDJSON in a line of its own', '[1] [2]', 3, 'line 3, column 5', 'look at that line: sed -n 3p FILE'],
    [
      'a float that is not a number',
      '[NaN]',
      undefined,
      'line 1, column 2',
      `write NaN as "NaN", in quotes, if the model takes it; ${JQ}`,
    ],
    [
      'an infinity, in a line',
      '[Infinity]',
      2,
      'line 2, column 2',
      'write Infinity as "Infinity", in quotes, if the model takes it',
    ],
    [
      'a negative infinity',
      '[-Infinity]',
      2,
      'line 2, column 2',
      'write -Infinity as "-Infinity", in quotes, if the model takes it',
    ],
    ['another constant of Python', '[None]', undefined, 'line 1, column 2', JQ],
  ])('is refused with its place and fix: %s', (_, text, line, where, hint) => {
    const error = malformed(text, line);
    expect(error).toMatchObject({ code: 'INPUT_JSON', exitCode: 65, hint });
    expect(error.message).toContain('malformed JSON: ');
    expect(error.message).toContain(where);
  });

  it('has a message even if no fault is found', () => {
    expect(malformed('{}', undefined).message).toMatch(/malformed JSON: it cannot be parsed/);
    expect(malformed('{}', undefined).message).toContain('line 1, column 1');
  });
});

describe('the number of values of a document', () => {
  it.each([
    ['[]', 1],
    ['[1,2,3]', 3],
    ['{"a":0,"b":{}}', 5],
    ['["a,b","[]"]', 4],
  ])('of %s is %i', (text, values) => {
    const shape = (maxValues: number) => ({ maxDepth: 64, maxValues });
    expect(() => refuseShape(bytes(text), shape(values), undefined)).not.toThrow();
    expect(() => refuseShape(bytes(text), shape(values - 1), 'line 3')).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
  });
});

describe('the depth of a document', () => {
  it.each([
    ['[]', 1],
    ['{}', 1],
    ['[[1],[2],[3]]', 2],
    ['{"a":[{"b":[1]}],"c":[2]}', 4],
    ['[{},{},{}]', 2],
    // Brackets within strings do not count, escaped quotes do not end a string.
    ['["[[[[", "{{{{"]', 1],
    ['["\\"[[[["]', 1],
    ['["\\\\"]', 1],
    ['["\\\\",[1]]', 2],
    ['[1] ]]]] [2]', 1],
  ])('of %s is %i', (text, depth) => {
    expect(() => refuseShape(bytes(text), { maxDepth: depth }, undefined)).not.toThrow();
    expect(() => refuseShape(bytes(text), { maxDepth: depth - 1 }, undefined)).toThrow(/nested more than/);
  });

  it.each(['["[[[[', '["\\', '"', ''])('counts no bracket of an unterminated string: %j', (text) => {
    expect(() => refuseShape(bytes(text), { maxDepth: 1 }, undefined)).not.toThrow();
  });

  it('is checked before the document is parsed', () => {
    expect(() => parseDocument(bytes('[[[1]]'), { maxDepth: 2 })).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_DEEP' }),
    );
    expect(parseDocument(bytes('[[1]]'), { maxDepth: 2 })).toEqual([[1]]);
  });
});

describe('a field that occurs twice', () => {
  it.each([
    ['in a document', undefined, 'line 2, column 2'],
    ['in a line of NDJSON', 5, 'line 5, column 2'],
  ])('is refused with both fixes: %s', (_, line, where) => {
    const text = '{"a": 1,\n "a": 2}';
    const refuse = () => refuseDuplicates(text, JSON.parse(text), line);
    expect(refuse).toThrow(
      expect.objectContaining({
        code: 'INPUT_KEY',
        message: expect.stringContaining("the field 'a' appears twice in one object"),
        hint: 'remove one of the two: JSON readers differ in which they use',
      }),
    );
    expect(refuse).toThrow(where);
  });
});

describe('bytes become text', () => {
  it.each(['', 'plain', 'grüße', '日本', '😀'])('%j', (text) => {
    expect(decodeText(bytes(text), undefined)).toBe(text);
  });

  it('only if they are UTF-8', () => {
    const latin = Buffer.from('grüße', 'latin1');
    expect(() => decodeText(latin, 'line 4')).toThrow(
      expect.objectContaining({
        code: 'INPUT_ENCODING',
        message: expect.stringContaining('line 4'),
        hint: 'convert it first: iconv -f LATIN1 -t UTF-8 input > output',
      }),
    );
  });
});
