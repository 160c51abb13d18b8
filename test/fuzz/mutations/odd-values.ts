import type { Random } from '../../chaos/random.js';
import { RawJson } from '../draft.js';

/** Numbers at the bounds of types, as they are written; not all of them are JSON. */
const NUMBERS = [
  ...['0', '-0', '-1', '1e308', '-1e308', '1e999', '-1e999', '1e-400', '5e-324', '0.1', '0.5', '1.0'],
  ...['127', '128', '255', '256', '32768', '65536', '2147483647', '2147483648', '-2147483649', '4294967296'],
  ...['9007199254740991', '9007199254740993', '9223372036854775807', '9223372036854775808'],
  ...['18446744073709551616', '123456789012345678901234567890123456789012345678901234567890'],
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    '+1',
    '01',
    '0x10',
    '1.',
    '.5',
    '1e',
    '1_000',
    '--1',
    `1${'0'.repeat(4000)}`,
  ],
];

/** Texts that are known to cause bugs. */
const TEXTS = [
  ...['', ' ', '0', '-1', 'null', 'undefined', 'NaN', 'true', '[object Object]', '__proto__', 'constructor'],
  ...['../../etc/passwd', '..\\..\\windows', 'C:\\', '/', '//', '~', '*', '?', '%00', '%s%s%n', '{{7*7}}'],
  ...[
    "' OR 1=1 --",
    '<script>alert(1)</script>',
    'a\r\nSet-Cookie: a=b',
    'a\u0000b',
    '\u0000',
    '\u001b[31m',
    '\u202Eabc',
  ],
  ...[
    '\uFEFF',
    '\u200B',
    'é',
    'e\u0301',
    'ß',
    'İ',
    '日本語',
    '🏳️‍🌈',
    '\uFFFF',
    'a:b',
    '{a}',
    'a#1',
    'a@1',
    'a,b',
    'a b',
  ],
];

export function oddNumber(random: Random): RawJson {
  return new RawJson(random.pick(NUMBERS));
}

/** @param mark contained in the text, to detect it where it must not appear */
export function oddText(random: Random, mark = ''): string {
  if (random.chance(0.15)) return mark + 'x'.repeat(random.pick([255, 256, 512, 513, 2000, 70_000]));
  return `${mark}${random.pick(TEXTS)}`;
}

/** Bytes that are not UTF-8: never valid, overlong, a surrogate, beyond the last character, cut short. */
export const NO_UTF8: readonly (readonly number[])[] = [
  [0xff],
  [0xfe, 0xff],
  [0xc0, 0xaf],
  [0xc1, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xe2, 0x82],
  [0x80],
];
