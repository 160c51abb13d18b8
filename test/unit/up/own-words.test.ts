import { expect, it } from 'vitest';
import { ownWords } from '../../../src/lib/cli/up/own-words.js';

it.each([
  [['--detach', '--port', '0', '--json'], [], ['--port', '0']],
  [['-d', '-q', '-dq', '-qdv', '-v'], [], ['-v', '-v']],
  [['-Q', 'dq', '-Qdq', '--models', './qd'], [], ['-Q', 'dq', '-Qdq', '--models', './qd']],
  [['-d'], ['--max-body', '1kb', '-q'], ['--', '--max-body', '1kb', '-q']],
])('%j and %j for the gateway run as %j', (typed, passedOn, own) => {
  expect(ownWords(typed, passedOn)).toEqual(own);
});
