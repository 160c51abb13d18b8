import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDuplicateKey } from '../../../src/lib/core/json-keys.js';

const find = (text: string) => findDuplicateKey(text, JSON.parse(text));

describe('a duplicate key in a JSON object', () => {
  it.each([
    ['{"a":1,"a":2}', 'a', 7],
    ['{"a":1,"b":2,"a" : 3}', 'a', 13],
    ['{"a":1,"\\u0061":2}', 'a', 7],
    ['[{"x":1},{"y":1,"y":2}]', 'y', 16],
    ['{"a":{"b":1,"b":2}}', 'b', 12],
    ['{"a":{"a":1},"a":2}', 'a', 13],
    ['{"":1,"":2}', '', 6],
    ['{"\\"":1,"\\"":2}', '"', 8],
    ['{"k":":","k":1}', 'k', 9],
    ['{"a":1,\n\t"a"\r\n :2}', 'a', 9],
    ['{"__proto__":1,"__proto__":2}', '__proto__', 15],
  ])('is found in %s', (text, key, at) => {
    expect(find(text)).toEqual({ key, at });
  });

  it.each([
    '1',
    '"{\\"a\\":1,\\"a\\":2}"',
    '[1,"a","a"]',
    '{}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"b","b":"a"}',
    '{"a":["a","a"],"b":"a: \\"a\\": {"}',
    '{"a":"\\\\","b":"\\\\"}',
    '{"a":"}","b":{"a":1}}',
  ])('is not found in %s', (text) => {
    expect(find(text)).toBeUndefined();
  });

  it('is searched in one section on request, which itself must be unique', () => {
    const inside = (text: string) => findDuplicateKey(text, JSON.parse(text), 'inputs');
    expect(inside('{"inputs":{"x":1,"x":2}}')).toEqual({ key: 'x', at: 17 });
    expect(inside('{"inputs":{"x":{"y":1,"y":2}}}')).toEqual({ key: 'y', at: 22 });
    expect(inside('{"inputs":{"x":1},"inputs":{"x":2}}')).toEqual({ key: 'inputs', at: 18 });
    expect(inside('{"other":{"x":1,"x":2},"inputs":{"x":1}}')).toBeUndefined();
    expect(inside('{"inputs":{"x":1},"other":{"x":1,"x":2}}')).toBeUndefined();
    expect(inside('{"other":1,"other":2,"inputs":{"x":1}}')).toBeUndefined();
  });

  it('is found in any text that has one, and never in serialised values', () => {
    const key = fc.string({ unit: fc.constantFrom('a', '"', '\\', ':', '{', '}', 'é', ' '), maxLength: 4 });
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        key,
        fc.integer(),
        fc.array(tie('any'), { maxLength: 3 }),
        tie('object'),
      ),
      object: fc.dictionary(key, tie('any'), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(value.object, fc.integer({ min: 0, max: 2 }), (object, indent) => {
        const text = JSON.stringify(object, undefined, indent);
        expect(find(text)).toBeUndefined();
        const [first] = Object.keys(object as object);
        if (first === undefined) return;
        const twice = `{"before": ${text}, ${text.trimEnd().slice(1, -1)}, ${JSON.stringify(first)}: 1}`;
        if (first === 'before') return;
        expect(find(twice)).toEqual({ key: first, at: twice.lastIndexOf(JSON.stringify(first)) });
      }),
    );
  });
});
