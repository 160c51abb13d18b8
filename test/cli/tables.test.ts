import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { DIGIT_ROWS, type DigitAnswer } from '../support/digits.js';
import { expectFailure } from '../support/failure.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

/** The test digits as CSV: an id, the pixels, a label. */
function digitsCsv(rows: number, stem = 'p'): string {
  const header = ['id', ...Array.from({ length: 64 }, (_, i) => `${stem}${i}`), 'label'].join(',');
  const lines = Array.from({ length: rows }, (_, at) => {
    const digit = DIGIT_ROWS[at % DIGIT_ROWS.length];
    return [`row ${at}`, ...(digit?.pixels ?? []), digit?.label].join(',');
  });
  return `${[header, ...lines].join('\n')}\n`;
}

beforeAll(async () => {
  await infer.worker();
});

describe('infer submit of a table', () => {
  it('gives the same results as the same rows in NDJSON, packed or not', async () => {
    const ndjson = DIGIT_ROWS.slice(0, 300)
      .map(({ pixels }) => JSON.stringify({ pixels }))
      .join('\n');
    const results = async (args: string[], stdin?: string) => {
      const sent = (
        await infer.run(['submit', ...args, '--wait', '60s', '--json'], { ...(stdin ? { stdin } : {}) })
      ).json<{ group: string }>();
      return (await infer.ask(['result', sent.group, '--output', '-'])).rows<DigitAnswer>();
    };
    const expected = await results(['-'], ndjson);
    expect(expected).toHaveLength(300);
    const csv = infer.file('digits.csv', digitsCsv(300));
    const packed = infer.file('digits.csv.gz', gzipSync(digitsCsv(300, 'pixels_')));
    expect(await results([csv])).toEqual(expected);
    expect(await results([packed])).toEqual(expected);
    const tabs = digitsCsv(300).replaceAll(',', '\t');
    expect(await results(['-', '--columns', 'pixels=p0..p63'], tabs)).toEqual(expected);
  });

  it('sends one row as a job', async () => {
    const run = await infer.run(['submit', '-', '--wait', '--format', 'csv'], { stdin: digitsCsv(1) });
    expect([run.exitCode, run.json<DigitAnswer>().class]).toEqual([0, DIGIT_ROWS[0]?.label]);
  });

  it('refuses a bad row far in the file with its line, and cancels the rows sent before', async () => {
    const file = infer.file('late.csv', `${digitsCsv(6000)}x,1,2\n`);
    await expectFailure(infer, ['submit', file], {
      exitCode: 65,
      code: 'INPUT_TABLE',
      message:
        /late\.csv, line 6002: 3 cells found where the header has 66; the \d+ rows sent before that were cancelled/,
      fix: /complete that line/,
    });
  });

  it.each([
    [['--delimiter', ';;'], 2, /--delimiter takes one character, not ';;'/],
    [['--columns', 'pixels'], 2, /--columns does not understand 'pixels'/],
    [['--columns', 'pixels=q0..q63'], 65, /digits\.csv has no column 'q0'/],
    [['--no-header'], 65, /digits\.csv, line 1, column 'column_2': the cell is text/],
  ] as [string[], number, RegExp][])('says what is wrong with %j', async (flags, exitCode, message) => {
    const file = infer.file('digits.csv', digitsCsv(3));
    const all = flags[0] === '--no-header' ? [...flags, '--columns', 'pixels=column_2..column_65'] : flags;
    const run = await infer.ask(['submit', file, ...all]);
    expect([run.exitCode, run.stderr]).toEqual([exitCode, expect.stringMatching(message)]);
  });
});
