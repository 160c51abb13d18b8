import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundOpenLog, lastLogLines, rotateLog } from '../../../src/lib/core/log-file.js';
import { followLog, tailLog } from '../../../src/lib/core/log-tail.js';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-log-'));
  file = join(dir, 'w.log');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const written = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

describe('the last lines of a log in a message', () => {
  it('are printable, short and not blank; without a log there are none', () => {
    expect(lastLogLines(file, 3)).toEqual([]);
    writeFileSync(file, `first\n\n  \nsecond\u001b[31m\n${'x'.repeat(300)}\n`);
    expect(lastLogLines(file, 2)).toEqual(['second\\x1b[31m', 'x'.repeat(200)]);
    expect(lastLogLines(file, 9)).toHaveLength(3);
  });

  it('are taken from the last 4 KB only', () => {
    writeFileSync(file, `early\n${'y'.repeat(4090)}\nlast\n`);
    expect(lastLogLines(file, 9)).toEqual(['y'.repeat(200), 'last']);
    writeFileSync(file, written(numbered(0, 1000)));
    expect(lastLogLines(file, 3)).toEqual(['line 997', 'line 998', 'line 999']);
  });
});

describe('log rotation', () => {
  it('renames a log that is too large to .old before a program starts', () => {
    rotateLog(file, 4);
    writeFileSync(file, '1234');
    rotateLog(file, 4);
    expect([existsSync(`${file}.old`), readFileSync(file, 'utf8')]).toEqual([false, '1234']);
    appendFileSync(file, '5');
    rotateLog(file, 4);
    expect([existsSync(file), readFileSync(`${file}.old`, 'utf8')]).toEqual([false, '12345']);
  });

  it('copies and truncates a log that is being written', () => {
    boundOpenLog(file, 4);
    writeFileSync(file, '1234');
    boundOpenLog(file, 4);
    expect([existsSync(`${file}.old`), readFileSync(file, 'utf8')]).toEqual([false, '1234']);
    appendFileSync(file, '5');
    boundOpenLog(file, 4);
    expect([readFileSync(file, 'utf8'), readFileSync(`${file}.old`, 'utf8')]).toEqual(['', '12345']);
  });
});

describe('the tail of a log', () => {
  it('is its last lines of any length, with or without a final newline', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '日', ' '), maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.nat({ max: 35 }),
        fc.boolean(),
        (lines, count, cut) => {
          const text = written(lines);
          writeFileSync(file, cut && lines.at(-1) ? text.slice(0, -1) : text);
          const tail = tailLog(file, count);
          expect(tail?.lines).toEqual(count === 0 ? [] : lines.slice(-count));
          expect(tail?.end).toBe(readFileSync(file).length);
        },
      ),
    );
  });

  it('extends beyond one read block', () => {
    const lines = numbered(0, 30_000);
    writeFileSync(file, written(lines));
    for (const count of [1, 7000, 12_345, 29_999, 30_000, 40_000]) {
      expect(tailLog(file, count)?.lines).toEqual(lines.slice(-count));
    }
    writeFileSync(file, `${'z'.repeat(200_000)}\nlast\n`);
    expect(tailLog(file, 1)?.lines).toEqual(['last']);
    expect(tailLog(file, 2)?.lines).toEqual(['z'.repeat(200_000), 'last']);
  });

  it('continues into the rotated log, and is empty without a log', () => {
    expect(tailLog(file, 5)).toBeNull();
    writeFileSync(`${file}.old`, written(numbered(0, 10)));
    expect(tailLog(file, 5)).toBeNull();
    writeFileSync(file, written(numbered(10, 13)));
    expect(tailLog(file, 2)?.lines).toEqual(numbered(11, 13));
    expect(tailLog(file, 3)?.lines).toEqual(numbered(10, 13));
    expect(tailLog(file, 5)?.lines).toEqual(numbered(8, 13));
    expect(tailLog(file, 50)?.lines).toEqual(numbered(0, 13));
  });
});

describe('following a log', () => {
  /** The lines, one by one. */
  function follow(from: number) {
    const ending = new AbortController();
    const lines = followLog(file, from, ending.signal);
    const next = async () => (await lines.next()).value;
    const end = async () => {
      ending.abort();
      return (await lines.next()).done;
    };
    return { next, end };
  }

  it('reports each line once it is complete, with whole characters', async () => {
    writeFileSync(file, 'old\n');
    const { next, end } = follow(4);
    const grown = Buffer.from('né');
    appendFileSync(file, grown.subarray(0, 2));
    const line = next();
    appendFileSync(file, Buffer.concat([grown.subarray(2), Buffer.from('w\nnext\nhal')]));
    expect([await line, await next()]).toEqual(['néw', 'next']);
    appendFileSync(file, 'f\n');
    expect(await next()).toBe('half');
    expect(await end()).toBe(true);
  });

  it('restarts on a truncated log, and waits for one that does not exist yet', async () => {
    const { next, end } = follow(0);
    const first = next();
    writeFileSync(file, 'a long first line\nrest that is lost');
    expect(await first).toBe('a long first line');
    const second = next();
    truncateSync(file);
    appendFileSync(file, 'short\n');
    expect(await second).toBe('short');
    expect(await end()).toBe(true);
  });

  it('reads to the end, however much arrives at once', async () => {
    const lines = numbered(0, 20_000);
    writeFileSync(file, written(lines));
    const { next, end } = follow(0);
    const got: unknown[] = [];
    for (let i = 0; i < lines.length; i++) got.push(await next());
    expect(got).toEqual(lines);
    expect(await end()).toBe(true);
  });
});
