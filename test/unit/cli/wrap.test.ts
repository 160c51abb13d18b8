import { describe, expect, it } from 'vitest';
import { wrapWords } from '../../../src/lib/cli/output/sentence.js';
import { type Layout, plain } from '../../../src/lib/cli/output/text.js';
import { visibleWidth } from '../../../src/lib/cli/output/width.js';
import { renderWrapped, titledParts } from '../../../src/lib/cli/output/wrap.js';
import { PIPED } from '../../support/layout.js';

const tty = (width: number): Layout => ({ tty: true, width, paint: plain });

describe('wrapWords', () => {
  it('breaks between words, and keeps a longer word whole', () => {
    expect(wrapWords('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrapWords('a incomprehensible b', 5)).toEqual(['a', 'incomprehensible', 'b']);
    expect(wrapWords('日本 語', 5)).toEqual(['日本', '語']);
    expect(wrapWords('', 5)).toEqual(['']);
  });
});

describe('titledParts', () => {
  const parts = ['unix:///run/redis.sock', '7.0.15', 'noeviction'];

  it('are one line where they fit, and break between parts otherwise', () => {
    expect(titledParts('Redis', parts, tty(60))).toEqual([
      'Redis unix:///run/redis.sock · 7.0.15 · noeviction',
    ]);
    expect(titledParts('Redis', parts, tty(40))).toEqual([
      'Redis unix:///run/redis.sock · 7.0.15',
      '      noeviction',
    ]);
    expect(titledParts('Redis', parts, PIPED)).toHaveLength(1);
  });
});

describe('renderWrapped', () => {
  const columns = [{ title: 'CODE' }, { title: 'MEANING' }];
  const rows = [['65', 'bad input data; the message names the line of the file that it was read from']];

  it('wraps the columns that allow it, within the terminal', () => {
    for (const width of [100, 60, 44, 34]) {
      const lines = renderWrapped(columns, rows, tty(width), [1]);
      expect(Math.max(...lines.map(visibleWidth))).toBeLessThanOrEqual(width);
      expect(lines.join(' ').replace(/[│ ]+/g, ' ')).toContain('65 bad input');
    }
  });

  it('prints a block per row where words would not fit, and tabs in a pipe', () => {
    const long = renderWrapped(columns, [['1', `a ${'x'.repeat(50)} b`]], tty(50), [1]);
    expect(long).toEqual(['CODE     1', 'MEANING  a', `         ${'x'.repeat(50)}`, '         b']);
    expect(renderWrapped(columns, rows, PIPED, [1])[1]).toBe(rows[0]?.join('\t'));
  });
});
