import { describe, expect, it } from 'vitest';
import { jsonText, NdjsonWriter } from '../../../src/lib/cli/output/json.js';
import { ProgressBar, type ProgressTarget, startSpinner } from '../../../src/lib/cli/output/progress.js';
import { renderTable } from '../../../src/lib/cli/output/table.js';
import { layoutOf, nextCommand, painter, plain, widthOf } from '../../../src/lib/cli/output/text.js';
import { visibleWidth } from '../../../src/lib/cli/output/width.js';
import { PIPED } from '../../support/layout.js';

const TTY = { tty: true, width: 80, paint: plain };
const columns = [{ title: 'QUEUE' }, { title: 'WAITING', align: 'right' as const }];
const rows = [
  ['realtime', '2'],
  ['batch', '50,000'],
];

function sink(extra: object = {}) {
  const written: string[] = [];
  return {
    written,
    stream: {
      ...extra,
      write(text: string, done?: (error?: Error | null) => void) {
        written.push(text);
        done?.();
        return true;
      },
    },
  };
}

describe('a table', () => {
  it('has borders on a terminal', () => {
    expect(renderTable(columns, rows, TTY)).toEqual([
      '┌──────────┬─────────┐',
      '│ QUEUE    │ WAITING │',
      '├──────────┼─────────┤',
      '│ realtime │       2 │',
      '│ batch    │  50,000 │',
      '└──────────┴─────────┘',
    ]);
  });

  it('is tab-separated with a header in a pipe, never cut or coloured', () => {
    const long = 'x'.repeat(500);
    const lines = renderTable(
      columns,
      [
        [{ text: long, format: 'red' }, '1'],
        [{ values: ['a', 'b'] }, ''],
      ],
      PIPED,
    );
    expect(lines).toEqual(['QUEUE\tWAITING', `${long}\t1`, 'a, b\t']);
  });

  it('makes every cell printable', () => {
    const lines = renderTable(columns, [['a\u001b[31m\tb\n', '1']], PIPED);
    expect(lines[1]).toBe('a\\x1b[31m\\x09b\\x0a\t1');
  });

  it('drops borders, then becomes records, as the terminal narrows', () => {
    expect(renderTable(columns, rows, { ...TTY, width: 18 })).toEqual([
      'QUEUE     WAITING',
      'realtime        2',
      'batch      50,000',
    ]);
    expect(renderTable(columns, rows, { ...TTY, width: 12 })).toEqual([
      'QUEUE    realtime',
      'WAITING  2',
      '',
      'QUEUE    batch',
      'WAITING  50,000',
    ]);
  });

  it('counts wide characters as two columns', () => {
    const widths = renderTable(
      columns,
      [
        ['キュー', '1'],
        ['ascii', '2'],
      ],
      TTY,
    ).map(visibleWidth);
    expect(new Set(widths).size).toBe(1);
  });
});

describe('colour and width', () => {
  it.each([
    ['plain text', 'ready', 5],
    ['colours', '\u001b[31mred\u001b[0m', 3],
    ['wide scripts', '漢字 한글', 9],
    ['signs that are no emoji by themselves', '© ™ ⚠ ✓', 7],
    ['emoji', '✅', 2],
    ['signs that are asked to be emoji', '⚠\ufe0f1\ufe0f\u20e3', 4],
    ['joined emoji', '👨\u200d👩\u200d👧', 2],
    ['skin tones', '👍🏽', 2],
    ['flags', '🇩🇪', 2],
    ['combining marks', 'e\u0301', 1],
    ['zero-width characters', 'a\u200bb', 2],
  ])('count the columns of %s as a terminal does', (_, text, columns) => {
    expect(visibleWidth(text)).toBe(columns);
  });

  it('are disabled in pipes and by --no-color, also for the next command', () => {
    expect(painter(sink().stream, true)('red', 'x')).toBe('x');
    expect(painter(sink({ isTTY: true }).stream, false)('red', 'x')).toBe('x');
    expect(nextCommand('infer result j1 --wait', plain)).toBe('Next: infer result j1 --wait');
  });

  it('treat 0 columns as unlimited', () => {
    expect(widthOf(sink({ isTTY: true, columns: 0 }).stream)).toBe(Number.POSITIVE_INFINITY);
    expect(widthOf(sink({ isTTY: true, columns: 72 }).stream)).toBe(72);
    expect(layoutOf(sink().stream, true).tty).toBe(false);
  });
});

describe('JSON output', () => {
  it('supports 64-bit integers and typed arrays', () => {
    expect(JSON.parse(jsonText({ a: 5n, b: 2n ** 63n, c: new Float32Array([1, 2]) }))).toEqual({
      a: 5,
      b: '9223372036854775808',
      c: [1, 2],
    });
  });

  it('waits for a slow reader between lines', async () => {
    const waiting: (() => void)[] = [];
    const lines: string[] = [];
    const writer = new NdjsonWriter({
      write(text, done) {
        lines.push(String(text));
        waiting.push(() => done?.());
        return false;
      },
    });
    const first = writer.write({ n: 1 });
    await Promise.resolve();
    expect(writer.written).toBe(0);
    waiting[0]?.();
    await first;
    expect([writer.written, lines]).toEqual([1, ['{"n":1}\n']]);
  });
});

describe('progress', () => {
  const target = (stream: ProgressTarget['stream'], over: Partial<ProgressTarget> = {}): ProgressTarget => ({
    stream,
    paint: plain,
    color: false,
    shown: true,
    animated: false,
    ...over,
  });

  it('measures its rate from where it joined, when work is already under way', () => {
    const { written, stream } = sink();
    let now = 0;
    const options = { label: 'running', unit: 'rows', total: 1000, joins: true, now: () => now };
    const bar = new ProgressBar(target(stream), options);
    bar.set(500);
    now = 1000;
    bar.set(600);
    expect(written).toEqual([
      'running 50% 500 of 1,000 rows\n',
      'running 60% 600 of 1,000 rows, 100 rows/s, 4 s left\n',
    ]);
  });

  it('prints a line per 10 % or 5 s off a terminal', () => {
    let now = 0;
    const { stream, written } = sink();
    const bar = new ProgressBar(target(stream), {
      label: 'Submitting',
      unit: 'rows',
      total: 1000,
      now: () => now,
    });
    for (let done = 1; done <= 1000; done++) {
      now += 1;
      bar.set(done);
    }
    expect(written).toHaveLength(10);
    expect(written[9]).toBe('Submitting 100% 1,000 of 1,000 rows, 1,000 rows/s\n');
    bar.finish();
    const slow = sink();
    now = 0;
    const other = new ProgressBar(target(slow.stream), { label: 'Reading', unit: 'rows', now: () => now });
    for (now = 0; now <= 10_000; now += 100) other.add(1);
    expect(slow.written).toHaveLength(2);
  });

  it('redraws one line at most ten times a second on a terminal, and fits its width', () => {
    let now = 0;
    const { stream, written } = sink({ isTTY: true, columns: 30 });
    const bar = new ProgressBar(target(stream, { animated: true }), {
      label: 'Submitting',
      unit: 'rows',
      total: 1000,
      now: () => now,
    });
    for (now = 0; now < 1000; now += 10) bar.add(1);
    expect(written).toHaveLength(10);
    for (const line of written) {
      expect(line.startsWith('\r\u001b[2K')).toBe(true);
      expect(line.length - 5).toBeLessThan(30);
    }
    bar.finish('done');
    expect(written.at(-1)).toBe('done\n');
  });

  it('prints nothing when hidden', async () => {
    const { stream, written } = sink();
    const quiet = target(stream, { shown: false });
    new ProgressBar(quiet, { label: 'x', unit: 'rows', total: 1 }).set(1);
    const spinner = await startSpinner('x', quiet);
    spinner.succeed();
    expect(written).toEqual([]);
  });

  it('prints only the outcome at 0 columns, without animation', async () => {
    const { stream, written } = sink({ isTTY: true, columns: 0 });
    const spinner = await startSpinner('starting', target(stream, { animated: true }));
    spinner.update('still');
    spinner.succeed('started');
    expect(written).toEqual(['✓ started\n']);
  });
});
