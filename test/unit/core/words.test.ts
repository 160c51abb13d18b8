import { userInfo } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { EXIT_CODES, ExitCode } from '../../../src/lib/core/exit-codes.js';
import { badName, isName, nameLike, parseModel } from '../../../src/lib/core/names.js';
import { quoteWord } from '../../../src/lib/core/quote-word.js';
import { systemUser } from '../../../src/lib/core/system-user.js';
import { withoutMark } from '../../../src/lib/core/text.js';

const unlisted = vi.hoisted(() => ({ user: false }));

vi.mock('node:os', async (original) => {
  const real = await original<{ userInfo: typeof userInfo }>();
  return {
    ...real,
    userInfo: () => {
      if (unlisted.user) throw new Error('ENOENT: no such entry');
      return real.userInfo();
    },
  };
});

describe('a word in a displayed command', () => {
  it.each([
    ['plain-word_1', 'plain-word_1'],
    ['/a/b.json', '/a/b.json'],
    ['k=v,x:y@h%20+~', 'k=v,x:y@h%20+~'],
    ['two words', "'two words'"],
    ['$HOME', "'$HOME'"],
    ["it's", "'it'\\''s'"],
    ['', "''"],
    ['a\nb', "'a\nb'"],
  ])('%j is quoted as %s', (word, shown) => {
    expect(quoteWord(word)).toBe(shown);
  });
});

describe('names', () => {
  it.each([
    ['queue', 'a'.repeat(64), 'a'.repeat(65)],
    ['job', 'a'.repeat(128), 'a'.repeat(129)],
    ['model', '_'.repeat(128), 'm'.repeat(129)],
    ['worker', 'w'.repeat(128), 'w'.repeat(129)],
  ] as const)('of a %s have a maximum length', (kind, longest, longer) => {
    expect([isName(kind, longest), isName(kind, longer)]).toEqual([true, false]);
    expect(isName(kind, nameLike(kind, longer))).toBe(true);
  });

  it.each([
    ['model', '_private', true],
    ['queue', '_private', false],
    ['worker', 'gpu-1@host', true],
    ['model', 'gpu-1@host', false],
    ['job', '12', false],
    ['job', '12a', true],
    ['queue', '12', true],
    ['worker', 'a,b', false],
  ] as const)('of a %s include %s: %s', (kind, name, good) => {
    expect(isName(kind, name)).toBe(good);
  });

  it.each([
    ['queue', ' -real  time- ', 'real-time'],
    ['queue', '...', 'realtime'],
    ['queue', 'good', 'realtime'],
    ['job', '0042', 'job-0042'],
    ['job', '9'.repeat(128), `job-${'9'.repeat(124)}`],
    ['model', 'ünder', 'nder'],
    ['model', '', 'digits'],
    ['worker', '*', 'gpu-1'],
  ] as const)('of a %s suggested for %j: %s', (kind, name, like) => {
    expect(nameLike(kind, name)).toBe(like);
  });
});

describe('a long rejected name', () => {
  it('is truncated in the message', () => {
    expect(badName('queue', 'q'.repeat(80))).toMatch(new RegExp(`^'${'q'.repeat(80)}' is not`));
    expect(badName('queue', 'q'.repeat(81))).toMatch(new RegExp(`^'${'q'.repeat(79)}…' is not`));
  });
});

describe('a model reference', () => {
  it.each([
    ['digits', { model: 'digits' }],
    ['digits@2', { model: 'digits', version: 2 }],
    ['digits@123456789', { model: 'digits', version: 123_456_789 }],
    ['digits@1234567890', { model: 'digits@1234567890' }],
    ['digits@latest', { model: 'digits@latest' }],
    ['a@b@3', { model: 'a@b', version: 3 }],
    ['@3', { model: '@3' }],
    ['digits@', { model: 'digits@' }],
    ['digits@2x', { model: 'digits@2x' }],
  ])('is parsed from %s', (text, model) => {
    expect(parseModel(text)).toEqual(model);
  });
});

describe('exit codes', () => {
  it('have a meaning and an example each, without duplicates', () => {
    const text = expect.stringMatching(/^\S.+\S$/);
    for (const facts of EXIT_CODES) {
      expect(facts).toEqual({ code: expect.any(Number), meaning: text, example: text });
    }
    expect(EXIT_CODES.map(({ code }) => code).sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 65, 66, 69, 70, 74, 75, 77, 78, 129, 130, 143,
    ]);
    expect(EXIT_CODES.find(({ code }) => code === ExitCode.TryAgain)?.meaning).toMatch(/^try again/);
  });
});

describe('text of a file', () => {
  it('loses its byte order mark and nothing else', () => {
    expect(withoutMark('\ufeff{"a": "\ufeff"}')).toBe('{"a": "\ufeff"}');
    expect(withoutMark('a\ufeff')).toBe('a\ufeff');
  });
});

describe('the user of this process', () => {
  it("is the system's user name, or the uid", () => {
    expect(systemUser()).toBe(userInfo().username);
    unlisted.user = true;
    expect(systemUser()).toBe(`uid ${process.getuid?.()}`);
    unlisted.user = false;
  });
});
