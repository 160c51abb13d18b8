import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, terminalJson, terminalText } from '../../../src/lib/core/printable.js';

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const text = fc.string({ unit: 'binary' });
/** Text with as many unsafe as safe characters. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u001b', '\u009b', '\u202e', '\u2066', '\u200b', '\u200d', '\ufeff', '\u2028', '\u3164'),
    fc.constantFrom(
      '\u034f',
      '\u00ad',
      '\u{e0041}',
      '\ud800',
      '\udc00',
      '\ufe0f',
      '\r',
      '\n',
      '\t',
      '\u007f',
    ),
    fc.constantFrom('a', '[', '3', '1', 'm', ' ', '✓', '日', '😀', '⚠'),
  ),
});

describe('printable', () => {
  it('leaves nothing that a terminal would execute, hide or reorder', () => {
    fc.assert(
      fc.property(fc.oneof(text, nasty), (value) => {
        expect(printable(value).replaceAll('\ufe0f', '')).not.toMatch(UNSAFE);
      }),
    );
  });

  it.each([
    ['a\u202eb', 'a\\u202eb'],
    ['\u001b[31m', '\\x1b[31m'],
    ['a\nb\tc', 'a\\x0ab\\x09c'],
    ['\u{e0041}', '\\u{e0041}'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['\ud800', '\\ud800'],
    ['ß 日本 😀 ⚠️ é', 'ß 日本 😀 ⚠️ é'],
    ['a\ufe0f', 'a\\ufe0f'],
  ])('escapes %j', (value, shown) => expect(printable(value)).toBe(shown));
});

describe('terminalText', () => {
  it('keeps only styles, newlines and tabs', () => {
    expect(terminalText('\u001b[1mbold\u001b[22m\ta\nb')).toBe('\u001b[1mbold\u001b[22m\ta\nb');
    expect(terminalText('\u001b[2J\u001b]0;t\u0007')).toBe('\\x1b[2J\\x1b]0;t\\x07');
    fc.assert(
      fc.property(nasty, (value) => {
        const rest = terminalText(value)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with ESC.
          .replace(/\u001b\[[0-9;]*m/g, '')
          .replace(/[\n\t]|\ufe0f/g, '');
        expect(rest).not.toMatch(UNSAFE);
      }),
    );
  });
});

describe('terminalJson', () => {
  it('is safe and parses to the same value', () => {
    fc.assert(
      fc.property(fc.oneof(text, nasty), fc.integer({ min: 0, max: 2 }), (value, indent) => {
        const json = terminalJson(JSON.stringify({ [value]: [value] }, undefined, indent));
        expect(json.replaceAll('\n', '')).not.toMatch(UNSAFE);
        expect(JSON.parse(json)).toEqual({ [value]: [value] });
      }),
    );
  });
});
