import { describe, expect, it } from 'vitest';
import { parseTrace } from '../../../src/lib/scale/trace-file.js';
import { thrown } from '../../support/thrown.js';

const arrivals = (text: string) => [...parseTrace(text, 't.csv').arrivals];

describe('a trace file', () => {
  it.each([
    ['seconds', '0\n1.5\n3\n', [0, 1500, 3000]],
    ['a first arrival after the start', '5\n6\n', [5000, 6000]],
    ['any order', '3\n1\n2', [1000, 2000, 3000]],
    ['a header', 'time\n0\n1\n', [0, 1000]],
    ['seconds since 1970', '1700000000\n1700000001.25', [0, 1250]],
    ['milliseconds since 1970', '1700000000000\n1700000000250', [0, 250]],
    ['ISO times', '2023-11-16T18:17:03Z\n2023-11-16T18:17:04.5Z', [0, 1500]],
    ['times with zones', '2023-11-16T18:00:00+01:00\n2023-11-16T17:00:02Z', [0, 2000]],
    ['times without a zone', '2023-11-16 18:17:03.9799600\n2023-11-16 18:17:04.9799600', [0, 1000]],
    [
      'other columns',
      'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,4808,10\n2023-11-16 18:17:05,3180,8',
      [0, 2000],
    ],
    [
      'quotes, tabs, CRLF, comments, blank lines, a BOM',
      '\uFEFF"arrival"\tnote\r\n# x\r\n\r\n"0"\ta\r\n2\tb',
      [0, 2000],
    ],
    ['an exponent', '1e-1\n2E0', [100, 2000]],
  ])('may contain %s', (_, text, expected) => {
    expect(arrivals(text)).toEqual(expected);
  });

  it('may contain service times, which stay with their jobs when lines are sorted', () => {
    const trace = parseTrace('time,service\n2,0.5\n1,250ms\n', 't.csv');
    expect([...trace.arrivals]).toEqual([1000, 2000]);
    expect([...(trace.serviceMs ?? [])]).toEqual([250, 500]);
    expect([...(parseTrace('0,0.1\n1,2s', 't.csv').serviceMs ?? [])]).toEqual([100, 2000]);
    expect([...(parseTrace('time,duration_ms\n0,80', 't.csv').serviceMs ?? [])]).toEqual([80]);
    expect(parseTrace('0\n1', 't.csv').serviceMs).toBeNull();
  });

  it('lasts until its last arrival', () => {
    expect(parseTrace('0\n90', 't.csv')).toMatchObject({ name: 't.csv', durationMs: 90_000 });
    expect(parseTrace('0', 't.csv').durationMs).toBe(1000);
  });

  it.each([
    ['nothing', '', 'TRACE_EMPTY', 't.csv has no arrivals'],
    ['a header and nothing else', 'time,service\n', 'TRACE_EMPTY', 't.csv has no arrivals'],
    ['a word', '0\nsoon\n', 'TRACE_TIME', "line 2: 'soon' is not a time of arrival"],
    ['a negative time', '0\n-1\n', 'TRACE_TIME', "line 2: '-1' is not a time of arrival"],
    [
      'a first line that is almost a time',
      '1.2.3\n1\n',
      'TRACE_TIME',
      "line 1: '1.2.3' is not a time of arrival",
    ],
    [
      'a date that is none',
      '2023-02-99T00:00:00Z',
      'TRACE_TIME',
      "line 1: '2023-02-99T00:00:00Z' is not a time of arrival",
    ],
    ['an empty field', 'time,service\n,1', 'TRACE_TIME', "line 2: '' is not a time of arrival"],
    [
      'two kinds of times',
      '0\n2023-11-16T18:17:03Z',
      'TRACE_TIME',
      'line 2: dates and plain seconds in one file',
    ],
    [
      'no such column',
      'when,what\n0,1',
      'TRACE_HEADER',
      'line 1: no column is called time, timestamp or arrival: when, what',
    ],
    ['columns that come and go', '0,1\n1\n', 'TRACE_COLUMNS', 'line 2: 1 columns, the first line has 2'],
    [
      'too many columns',
      '0,1,2\n',
      'TRACE_COLUMNS',
      'line 1: 3 columns and no header that says which is the arrival',
    ],
    ['a job that takes no time', '0,1\n# x\n1,0\n', 'TRACE_SERVICE', "line 3: '0' is not what a job takes"],
    [
      'a job of bad length',
      'time,service\n0,long',
      'TRACE_SERVICE',
      "line 2: 'long' is not what a job takes",
    ],
    ['control characters', '0\n\u001b[31m', 'TRACE_TIME', "line 2: '\\x1b[31m' is not a time of arrival"],
    ['JSON', '{"a": 1}', 'TRACE_HEADER', 'line 1: no column is called time, timestamp or arrival: {"a": 1}'],
  ])('is rejected with its line: %s', (_, text, code, message) => {
    const error = thrown(() => parseTrace(text, 't.csv'));
    expect(error).toMatchObject({ code, exitCode: 65, message });
    expect(error.hint).toContain('one job a line');
  });
});
