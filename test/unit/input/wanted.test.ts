import { describe, expect, it } from 'vitest';
import {
  inputNames,
  isFields,
  nearest,
  shapeError,
  shownName,
  shownShape,
  tooDeep,
} from '../../../src/lib/input/wanted.js';
import { digits, input, square, table } from './signatures.js';

describe('what messages show of an input', () => {
  it('is a name of at most 40 characters, on one line', () => {
    const longest = 'n'.repeat(40);
    expect(shownName(longest)).toBe(longest);
    expect(shownName(`${longest}m`)).toBe(`${longest}...`);
    expect(shownName('a\nb')).toBe('a\\x0ab');
  });

  it('is a shape of at most eight axes', () => {
    expect(shownShape([3, null, 4])).toBe('3, ?, 4');
    expect(shownShape([1, 2, 3, 4, 5, 6, 7, 8])).toBe('1, 2, 3, 4, 5, 6, 7, 8');
    expect(shownShape([1, 2, 3, 4, 5, 6, 7, 8, 9])).toBe('1, 2, 3, 4, 5, 6, 7, 8, ...');
  });

  it('is the names of the inputs of its model', () => {
    expect(inputNames(table)).toBe("'age', 'name'");
    expect(inputNames(digits)).toBe("'pixels'");
  });

  it('is distinguished from an object of fields', () => {
    expect([{}, { a: 1 }].map(isFields)).toEqual([true, true]);
    expect([null, [], 'text', 1, new Float32Array(1)].map(isFields)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('a value whose shape does not fit', () => {
  const image = square.inputs[0] as (typeof square.inputs)[number];
  const age = input('age', 'float32', []);
  const word = input('word', 'string', []);
  const frames = input('frames', 'float32', [null, 80]);

  it.each<[string, unknown, typeof image, string, string]>([
    [
      'many rows for one',
      [
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ],
      image,
      'INPUT_SHAPE',
      'give one row here; in NDJSON every line is one row, in JSON a list of rows is many',
    ],
    [
      'another shape',
      [
        [1, 2],
        [3, 4],
      ],
      image,
      'INPUT_SHAPE',
      "give each row of 'image' as a list of shape [2, 3]",
    ],
    [
      'a list of lists for one number',
      [
        [1, 2],
        [3, 4],
      ],
      age,
      'INPUT_SHAPE',
      "give each row of 'age' one bare number",
    ],
    ['lists for one text', [['a', 'b']], word, 'INPUT_SHAPE', "give each row of 'word' one bare text"],
    ['too few axes', 'text', frames, 'INPUT_SHAPE', "give each row of 'frames' as a list of shape [?, 80]"],
    [
      'lists of several lengths',
      [
        [1, 2, 3],
        [4, 5],
      ],
      image,
      'INPUT_RAGGED',
      'give every inner list the same length, and no list where a value belongs',
    ],
  ])('has an error with its fix: %s', (_, value, wanted, code, hint) => {
    expect(shapeError(value, wanted, 'm', 'line 3')).toMatchObject({
      code,
      exitCode: 65,
      hint,
      message: expect.stringContaining(`input '${wanted.name}' of model m takes `),
    });
  });

  it('is described by its kind, and never shown', () => {
    const { message } = shapeError(
      [
        [9, 9],
        [9, 9],
      ],
      image,
      'm',
      undefined,
    );
    expect(message).toBe("a list of shape 2 x 2 found; input 'image' of model m takes 2 x 3 numbers");
  });
});

describe('the suggested name', () => {
  it.each([
    ['pixel', ['pixels', 'age'], 'pixels'],
    ['ag', ['pixels', 'age'], 'age'],
    // Two letters may differ in any name, and a third of a long one.
    ['xx', ['ab'], 'ab'],
    ['xyz', ['abc'], undefined],
    ['abcdefghixyz', ['abcdefghijklm'], 'abcdefghijklm'],
    ['abcdefxyzuvw', ['abcdefghijkl'], undefined],
    ['anything', [], undefined],
  ])('%s among %j is %s', (name, candidates, found) => {
    expect(nearest(name, candidates)).toBe(found);
  });

  it('is compared by the first 40 characters', () => {
    const name = 'n'.repeat(40);
    expect(nearest(`${name}${'x'.repeat(100)}`, [name])).toBe(name);
  });
});

it('an input that is nested too deeply names the limit and the place', () => {
  expect(tooDeep(9, 'line 2')).toMatchObject({
    code: 'INPUT_TOO_DEEP',
    message: expect.stringMatching(/line 2.*nested more than 9 deep|nested more than 9 deep.*line 2/),
    hint: 'flatten the input to the shape of the model',
  });
});
