import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Paint, plain } from '../../../src/lib/cli/output/text.js';
import { visibleWidth } from '../../../src/lib/cli/output/width.js';
import { cutToWidth, drawFrame, type Frame, sparkline } from '../../../src/lib/cli/views/watch-view.js';

const bold: Paint = (_, text) => (text === '' ? '' : `\u001b[1m${text}\u001b[22m`);

const frame = (more: Partial<Frame> = {}): Frame => ({
  title: 'infer inspect queues',
  everyMs: 2000,
  clock: '15:04:05',
  paused: false,
  sort: 'name',
  trouble: undefined,
  body: ['QUEUE     WAITING', 'realtime        2', 'batch      50,000'],
  charts: [
    {
      name: 'realtime',
      courses: [
        { label: 'waiting', values: [0, 1, 2], shown: '2' },
        { label: 'rate', values: [null, 10, 20], shown: '20/s' },
      ],
    },
    {
      name: 'batch',
      courses: [
        { label: 'waiting', values: [1, 2, 4], shown: '50,000' },
        { label: 'rate', values: [0, 0, 0], shown: '0/s' },
      ],
    },
  ],
  keys: true,
  ...more,
});

const draw = (more: Partial<Frame> = {}, columns = 80, rows = 24) =>
  drawFrame(frame(more), { columns, rows }, plain);

describe('a frame of a live view', () => {
  it('has the title, the table, the charts and the keys', () => {
    const lines = draw({}, 80, 14);
    expect(lines).toEqual([
      'infer inspect queues · 15:04:05 · every 2 s · by name',
      '',
      'QUEUE     WAITING',
      'realtime        2',
      'batch      50,000',
      '',
      'realtime  waiting                 ▁▅█ 2       rate                     ▅█ 20/s',
      'batch     waiting                 ▃▅█ 50,000  rate                    ▁▁▁ 0/s',
      '',
      '',
      '',
      '',
      '',
      'p pause · s sort · q quit',
    ]);
  });

  it('says when it is paused, how it is sorted, and that Redis is unreachable', () => {
    const trouble = { message: 'Redis at redis://h does not answer: connection refused', sinceMs: 12_000 };
    const lines = draw({ paused: true, sort: 'oldest', trouble, keys: false });
    expect(lines[0]).toBe('infer inspect queues · 15:04:05 · paused · by oldest');
    expect(lines[1]).toBe('! Redis at redis://h does not answer: connection refused; retrying for 12 s now');
    expect(lines.at(-1)).toBe('');
  });

  it('counts lines that do not fit, limits charts to a third, and drops them on a short terminal', () => {
    const body = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const lines = draw({ body }, 80, 24);
    expect(lines).toHaveLength(24);
    expect(lines.find((line) => line.startsWith('…'))).toBe('… 33 more lines: a taller terminal shows them');
    expect(lines.filter((line) => line.includes('waiting'))).toHaveLength(2);
    const low = draw({ body }, 80, 12);
    expect(low).toHaveLength(12);
    expect(low.find((line) => line.startsWith('…'))).toBe('… 42 more lines: a taller terminal shows them');
    expect(low.filter((line) => line.includes('waiting'))).toEqual([]);
  });

  it('stacks charts that do not fit side by side, and omits them when narrower still', () => {
    expect(draw({}, 40).filter((line) => /waiting|rate/.test(line))).toHaveLength(4);
    expect(draw({}, 20).some((line) => line.includes('█'))).toBe(false);
  });

  it('fits every terminal exactly in columns and rows', () => {
    const sizes = fc.record({
      columns: fc.integer({ min: 1, max: 200 }),
      rows: fc.integer({ min: 1, max: 60 }),
    });
    const text = fc.array(fc.string({ unit: 'grapheme', maxLength: 120 }), { maxLength: 40 });
    fc.assert(
      fc.property(sizes, text, fc.boolean(), fc.boolean(), (size, body, keys, away) => {
        const printed = body.map((line) => stripVTControlCharacters(line).replace(/\p{C}/gu, ''));
        const trouble = away ? { message: 'Redis is away', sinceMs: 1 } : undefined;
        const lines = drawFrame(frame({ body: printed, keys, trouble }), size, bold);
        expect(lines).toHaveLength(size.rows);
        for (const line of lines) expect(visibleWidth(line)).toBeLessThanOrEqual(size.columns);
      }),
    );
  });
});

describe('a sparkline', () => {
  it('scales to its highest value, with zero lowest and gaps for unknown values', () => {
    expect(sparkline([0, 1, 50, 100, null], 6)).toBe(' ▁▂▅█ ');
  });

  it('shows the last values, and a flat line for zeros', () => {
    expect(sparkline([100, 1, 1], 2)).toBe('██');
    expect(sparkline([0, 0], 3)).toBe(' ▁▁');
    expect(sparkline([], 3)).toBe('   ');
  });
});

describe('a cut line', () => {
  it('closes its styles and keeps wide characters whole', () => {
    expect(cutToWidth('abcdef', 6)).toBe('abcdef');
    expect(cutToWidth('abcdefg', 6)).toBe('abcde…');
    expect(cutToWidth('\u001b[1mabcdefg\u001b[22m', 4)).toBe('\u001b[1mabc…\u001b[0m');
    expect(cutToWidth('漢字漢字', 6)).toBe('漢字…');
    expect(cutToWidth('abc', 0)).toBe('');
  });
});
