import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseTextProto,
  type TextField,
  TextProtoError,
  type TextValue,
} from '../../../src/lib/model/text-proto.js';

/** A message as nested lists of names and values, without lines. */
type Plain = [name: string, value: string | number | Plain[]][];

const plain = (fields: readonly TextField[]): Plain =>
  fields.map(({ name, value }) => [name, plainValue(value)]);

function plainValue(value: TextValue): string | number | Plain[] {
  if (value.kind === 'message') return plain(value.fields) as unknown as Plain[];
  return value.kind === 'number' ? value.value : value.text;
}

const read = (text: string) => plain(parseTextProto(text));

function fault(text: string): TextProtoError {
  try {
    parseTextProto(text);
  } catch (error) {
    if (error instanceof TextProtoError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('protobuf text', () => {
  it('has scalars, messages in both brackets, lists, comments and separators', () => {
    const text = `# a comment
      name: "digits"   # another
      count: 3, kind: KIND_GPU;
      a { b: -1.5e3 c < d: 0x1F > }
      list: [ 1, 2 ]
      items [ { x: 1 }, { x: 2 } ]
      none: []`;
    expect(read(text)).toEqual([
      ['name', 'digits'],
      ['count', 3],
      ['kind', 'KIND_GPU'],
      [
        'a',
        [
          ['b', -1500],
          ['c', [['d', 31]]],
        ],
      ],
      ['list', 1],
      ['list', 2],
      ['items', [['x', 1]]],
      ['items', [['x', 2]]],
    ]);
  });

  it.each([
    ['a: 1.', 1],
    ['a: .5', 0.5],
    ['a: 1f', 1],
    ['a: 1.5e-2F', 0.015],
    ['a: 017', 15],
    ['a: - 4', -4],
    ['a: -inf', Number.NEGATIVE_INFINITY],
    ['a: 9007199254740993', 9007199254740992],
  ])('has the number of %s', (text, value) => {
    expect(read(text)).toEqual([['a', value]]);
  });

  it.each([
    [String.raw`a: "x\n\t\"\'\\"`, 'x\n\t"\'\\'],
    [String.raw`a: '\101\x42\u00e9\U0001F600'`, 'ABé😀'],
    [String.raw`a: "\303\251"`, 'é'],
    ['a: "one " "two"\n  \'three\'', 'one twothree'],
    ['a: "naïve"', 'naïve'],
    ['\uFEFFa: "bom"', 'bom'],
  ])('has the string of %s', (text, value) => {
    expect(read(text)).toEqual([['a', value]]);
  });

  it('names the line of each field', () => {
    const [first, second] = parseTextProto('a: 1\n\nb {\n  c: 2\n}');
    expect([first?.line, second?.line]).toEqual([1, 3]);
    expect(second?.value).toMatchObject({ fields: [{ name: 'c', line: 4 }] });
  });

  it.each([
    ['a: 1\nb 2', 2, 'a colon is missing after b'],
    ['a {\n b: 1', 1, 'the bracket opened here is never closed with }'],
    ['a: [1\n 2]', 2, 'a comma or ] is missing in the list of a'],
    ['a: "x\n"', 1, 'the string that begins here has no end'],
    [String.raw`a: "\q"`, 1, 'the string that begins here has an unknown escape'],
    ['a: 1x', 1, '1x is not a number'],
    ['a: 089', 1, '089 is not an octal number'],
    ['a: -', 1, 'a number is missing after - for a'],
    ['a:\n}', 2, "the value of a is missing before '}'"],
    ['a:', 1, 'the value of a is missing before the end of the file'],
    ['}', 1, "'}' is not the name of a field"],
    ['[x.y]: 1', 1, 'extensions in [ ] are not supported here'],
    ['a: 1\n$', 2, 'unexpected character $'],
    ['a < b: 1 }', 1, "'}' is not the name of a field"],
    [`${'a {'.repeat(100)}${'}'.repeat(100)}`, 1, 'messages are nested more than 64 deep'],
  ])('is refused with its line: %j', (text, line, message) => {
    expect(fault(text)).toMatchObject({ line, message });
  });

  it('is read back as it was written, whatever the layout', () => {
    const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/);
    const { message } = fc.letrec<{ message: Plain; value: string | number | Plain[] }>((tie) => ({
      message: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }) as fc.Arbitrary<Plain>,
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }),
        fc.integer(),
        tie('message'),
      ) as fc.Arbitrary<string | number | Plain[]>,
    }));
    const written = (fields: Plain, space: string): string =>
      fields
        .map(([field, value]) => {
          if (Array.isArray(value))
            return `${field}${space}{${space}${written(value as unknown as Plain, space)}}`;
          const text = typeof value === 'string' ? quoted(value) : String(value);
          return `${field}:${space}${text}`;
        })
        .join('\n');
    const quoted = (value: string) =>
      `"${[...Buffer.from(value)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`;
    fc.assert(
      fc.property(message, fc.constantFrom('', ' ', '\n', ' # note\n'), (fields, space) => {
        expect(read(written(fields, space))).toEqual(fields);
      }),
      { numRuns: 150 },
    );
  });

  it('is either read or refused with a line that exists, whatever the text', () => {
    const token = fc.constantFrom(
      'a',
      ':',
      '{',
      '}',
      '<',
      '>',
      '[',
      ']',
      ',',
      ';',
      '"',
      "'",
      '\\',
      '1',
      '-',
      '.',
      '#',
      '\n',
      ' ',
      '\u0000',
      'é',
      '/',
    );
    const text = fc.oneof(
      fc.array(token, { maxLength: 60 }).map((parts) => parts.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          parseTextProto(given);
        } catch (error) {
          expect(error).toBeInstanceOf(TextProtoError);
          const { line } = error as TextProtoError;
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(given.split('\n').length);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
