import { describe, expect, it } from 'vitest';
import { hintLines, sentence, wrapWords } from '../../../src/lib/cli/output/sentence.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { PIPED } from '../../support/layout.js';

/** Sentences as in hints, and the commands in each, which must stay on one line. */
const SENTENCES: readonly [string, ...string[]][] = [
  [
    'name a job, or infer inspect failed -Q batch --error CODE where it fails often',
    'infer inspect failed -Q batch --error CODE',
  ],
  ['infer retry ID, or infer retry --failed -Q batch', 'infer retry ID,', 'infer retry --failed -Q batch'],
  [
    'start it with infer worker -Q realtime,batch --models ./models -- --max-batch 8 and wait',
    'infer worker -Q realtime,batch --models ./models -- --max-batch 8',
  ],
  [
    "then infer control revoke --older-than 5m -Q 'real time' --yes and so on",
    "infer control revoke --older-than 5m -Q 'real time' --yes",
  ],
  [
    'with INFER_RETRIES=3 infer submit rows.ndjson --time-limit 10m; it waits',
    'INFER_RETRIES=3 infer submit rows.ndjson --time-limit 10m;',
  ],
  [
    'on the server: redis-cli CONFIG SET maxmemory-policy noeviction',
    'redis-cli CONFIG SET maxmemory-policy noeviction',
  ],
  ['results are kept for an hour unless --result-ttl says otherwise', '--result-ttl'],
];

describe('wrapWords', () => {
  it.each(SENTENCES)('never breaks a line within a command: %s', (text, ...commands) => {
    for (let width = 20; width <= 120; width++) {
      const lines = wrapWords(text, width);
      expect(lines.join(' ')).toBe(text);
      for (const command of commands) expect(lines.some((line) => line.includes(command))).toBe(true);
      // Only what cannot be broken is longer than a line.
      for (const line of lines.filter((one) => one.length > width)) {
        expect([...commands, ...text.split(' ')]).toContain(line);
      }
    }
  });
});

describe('a sentence with a prefix', () => {
  it('is indented under its first word, and one line in a pipe', () => {
    expect(sentence('Try: ', 'one two three four five six', 26)).toEqual([
      'Try: one two three four',
      '     five six',
    ]);
    expect(sentence('Try: ', 'one two three four five six', Number.POSITIVE_INFINITY)).toHaveLength(1);
    expect(hintLines('a b '.repeat(99).trim(), PIPED)).toHaveLength(1);
  });

  it('is printable, and styles only the text', () => {
    const layout = { tty: true, width: 80, paint: plain };
    expect(hintLines('infer retry a\u202eb', layout, '  ')).toEqual(['  Try: infer retry a\\u202eb']);
    expect(sentence('! ', 'a\nb', 80, (line) => `<${line}>`)).toEqual(['! <a>', '  <b>']);
  });
});
