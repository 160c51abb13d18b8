import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { quoteWord } from '../../../src/lib/core/quote-word.js';

const WORDS = [
  ...['', 'plain', 'a b', "it's", '~', '~/models', '~root/x', 'a~b/~c', '=ls', 'a=b', '--models=~/x'],
  ...['$HOME', '`id`', '*', 'a?', '{a,b}', '!x', '#x', 'a;b', 'a\\b', 'a\nb', 'digits@2', './x:1,2%+'],
];

it('a quoted word is unchanged after a shell has parsed it', () => {
  const script = `printf '%s\\0' ${WORDS.map(quoteWord).join(' ')}`;
  expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(WORDS);
});

it('only words that need quotes are quoted, among them those that a shell expands', () => {
  for (const word of ['plain', 'a=b', './x:1,2%+', 'digits@2', 'a~b', '-Q'])
    expect(quoteWord(word)).toBe(word);
  for (const word of ['~', '~/models', '=ls', '']) expect(quoteWord(word)).toBe(`'${word}'`);
});
