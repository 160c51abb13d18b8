import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault, lineAndColumn, MORE_TEXT } from '../../../src/lib/input/json-fault.js';

const SOON = 'the text ends too soon';
const NO_VALUE = 'no JSON value starts there';
const BAD_TEXT = 'text is not closed or holds a raw control character or a wrong escape';
const NO_KEY = 'a field name in double quotes is missing';

describe('the JSON fault finder', () => {
  it.each<[string, number, string]>([
    ['', 0, SOON],
    [' \t\r\n', 4, SOON],
    ['[', 1, SOON],
    ['[1', 2, SOON],
    ['[1,', 3, SOON],
    ['{', 1, SOON],
    ['{"a"', 4, SOON],
    ['{"a":', 5, SOON],
    ['{"a":1', 6, SOON],
    ['{"a":1,', 7, SOON],
    ['[1,]', 3, 'a comma stands before a closing bracket'],
    ['[,1]', 1, NO_VALUE],
    ['[1,,2]', 3, NO_VALUE],
    ['{"a":1,}', 7, 'a comma stands before a closing brace'],
    ['{"a":}', 5, 'a comma stands before a closing bracket'],
    ['{a:1}', 1, NO_KEY],
    ["{'a':1}", 1, NO_KEY],
    ['{1:2}', 1, NO_KEY],
    ['{,"a":1}', 1, NO_KEY],
    ['{"a":1,b:2}', 7, NO_KEY],
    ['{"a" 1}', 5, 'a colon is missing'],
    ['{"a","b"}', 4, 'a colon is missing'],
    ['[1 2]', 3, 'a comma or ] is missing'],
    ['[1}', 2, 'a comma or ] is missing'],
    ['[[1]', 4, SOON],
    ['[{"a":1} 2]', 9, 'a comma or ] is missing'],
    ['{"a":1 "b":2}', 7, 'a comma or } is missing'],
    ['{"a":1]', 6, 'a comma or } is missing'],
    ['{"a":[1] 2}', 9, 'a comma or } is missing'],
    ['{]', 1, NO_KEY],
    ['[}', 1, 'a comma stands before a closing bracket'],
    [']', 0, 'a comma stands before a closing bracket'],
    ['}', 0, 'a comma stands before a closing bracket'],
    ['1 2', 2, MORE_TEXT],
    ['{}\n{}', 3, MORE_TEXT],
    ['[1]]', 3, MORE_TEXT],
    ['{}}', 2, MORE_TEXT],
    ['"a" "b"', 4, MORE_TEXT],
    ['NaN', 0, 'NaN is not JSON'],
    ['[1, NaN]', 4, 'NaN is not JSON'],
    ['Infinity', 0, 'Infinity is not JSON'],
    ['[-Infinity]', 1, '-Infinity is not JSON'],
    ['{"a": None}', 6, 'None is not JSON'],
    ['True', 0, 'True is not JSON'],
    ['False', 0, 'False is not JSON'],
    ['undefined', 0, 'undefined is not JSON'],
    ["['a']", 1, 'text is in single quotes'],
    ['nul', 0, NO_VALUE],
    ['[yes]', 1, NO_VALUE],
    ['+1', 0, NO_VALUE],
    ['.5', 0, NO_VALUE],
    ['-', 0, NO_VALUE],
    ['01', 1, MORE_TEXT],
    ['1.', 1, MORE_TEXT],
    ['1e', 1, MORE_TEXT],
    ['[1.e5]', 2, 'a comma or ] is missing'],
    ['"open', 0, BAD_TEXT],
    ['"raw\ttab"', 0, BAD_TEXT],
    ['"raw\u001f"', 0, BAD_TEXT],
    ['["line\nbreak"]', 1, BAD_TEXT],
    ['"\\x41"', 0, BAD_TEXT],
    ['"\\u12g4"', 0, BAD_TEXT],
    ['"\\u123"', 0, BAD_TEXT],
    ['"\\"', 0, BAD_TEXT],
    ['\u00a01', 0, NO_VALUE],
  ])('locates the fault of %j at %i: %s', (text, at, what) => {
    expect(findJsonFault(text)).toEqual({ at, what });
  });

  it.each([
    '1',
    ' -0.5e+10 ',
    '1E-7',
    '0',
    '10',
    '""',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF\\uABcd"',
    '" \u007f\u2028\ud800"',
    'true',
    'false',
    'null',
    '[]',
    '{}',
    '[ [ ] , { } ]',
    '{ "a" : [ 1 , { "b" : null } ] , "" : "" }',
    '\t[\r\n1\n]\n',
  ])('finds no fault in %j', (text) => {
    expect(JSON.parse(text)).toBeDefined();
    expect(findJsonFault(text)).toBeUndefined();
  });

  it('agrees with JSON.parse on text that is nearly JSON', () => {
    const piece = fc.constantFrom(
      ...['[', ']', '{', '}', ',', ':', ' ', '\n', '1', '-', '0', '.', 'e', '+'],
      ...['"a"', '"', '\\', '\\n', '\\u0041', 'true', 'null', 'nul', '\u0001'],
    );
    const nearly = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      // Valid JSON with one piece inserted, or one character removed.
      fc.tuple(fc.json(), piece, fc.nat()).map(([json, more, seed]) => {
        const at = seed % (json.length + 1);
        return json.slice(0, at) + more + json.slice(at);
      }),
      fc.tuple(fc.json(), fc.nat()).map(([json, seed]) => {
        const at = seed % json.length;
        return json.slice(0, at) + json.slice(at + 1);
      }),
      fc.json(),
    );
    fc.assert(
      fc.property(nearly, (text) => {
        const fault = findJsonFault(text);
        let good = true;
        try {
          JSON.parse(text);
        } catch {
          good = false;
        }
        expect(fault === undefined).toBe(good);
        if (fault === undefined) return;
        expect(fault.at).toBeGreaterThanOrEqual(0);
        expect(fault.at).toBeLessThanOrEqual(text.length);
        // Up to there it is only incomplete, so its fault is no earlier.
        const before = findJsonFault(text.slice(0, fault.at));
        if (before !== undefined) expect(before.what).toBe(SOON);
      }),
      { numRuns: 400 },
    );
  });

  it('needs no stack, however deep or long the text', () => {
    const deep = 200_000;
    expect(findJsonFault('['.repeat(deep))).toEqual({ at: deep, what: SOON });
    expect(findJsonFault('['.repeat(deep) + ']'.repeat(deep))).toBeUndefined();
    expect(findJsonFault(`"${'x'.repeat(deep)}\n"`)).toEqual({ at: 0, what: BAD_TEXT });
  });
});

describe('the position', () => {
  const text = 'ab\ncd\n\ne';
  it.each([
    [0, 1, 1],
    [1, 1, 2],
    [2, 1, 3],
    [3, 2, 1],
    [5, 2, 3],
    [6, 3, 1],
    [7, 4, 1],
    [8, 4, 2],
  ])('of offset %i is line %i, column %i', (at, line, column) => {
    expect(lineAndColumn(text, at)).toEqual({ line, column });
  });
});
