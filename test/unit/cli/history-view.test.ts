import { describe, expect, it } from 'vitest';
import { renderList } from '../../../src/lib/cli/output/list-format.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { eventLine, eventList } from '../../../src/lib/cli/views/event-list.js';
import { historyHead, historyList, seriesList, sparkline } from '../../../src/lib/cli/views/history-view.js';
import type { DeploymentEvent } from '../../../src/lib/queue/events/types.js';
import { HistoryFigures } from '../../../src/lib/queue/history/figures.js';
import type { History, HistoryPoint } from '../../../src/lib/queue/history/types.js';

const MINUTE = 60_000;
const FROM = Date.UTC(2026, 10, 28, 22, 0);

function point(minute: number, completed: number, more: Partial<HistoryPoint> = {}): HistoryPoint {
  const empty = new HistoryFigures().toPoint(FROM + minute * MINUTE);
  return { ...empty, ms: MINUTE, jobs: { ...empty.jobs, completed }, ...more };
}

function history(points: HistoryPoint[], more: Partial<History> = {}): History {
  const to = FROM + 9 * MINUTE + 1000;
  const total = point(
    0,
    points.reduce((sum, { jobs }) => sum + jobs.completed, 0),
    { ms: points.length * MINUTE },
  );
  return {
    kind: 'queue',
    name: 'realtime',
    range: '1h',
    stepMs: MINUTE,
    from: FROM,
    to,
    points,
    total,
    ...more,
  };
}

const jobs = ({ jobs: { completed } }: HistoryPoint): number => completed;
const terminal = { tty: true, width: 100, paint: plain };

describe('a sparkline', () => {
  it('has a cell a step, the highest full, zeros low, and spaces where nothing is recorded', () => {
    const some = history([point(0, 0), point(1, 5), point(2, 10), point(4, 1), point(9, 10)]);
    expect(sparkline(some, jobs, 60)).toBe('▁▅█ ▂    █');
  });

  it('joins steps where there are too many, and shows the highest of each cell', () => {
    const some = history([point(0, 2), point(1, 8), point(8, 4)]);
    expect(sparkline(some, jobs, 5)).toBe('█   ▅');
    expect(sparkline(some, jobs, 1)).toBe('█');
  });

  it('is empty where the value was never above zero', () => {
    expect(sparkline(history([point(0, 0)]), jobs, 60)).toBe('');
    expect(sparkline(history([]), jobs, 60)).toBe('');
  });
});

describe('the charts of a series', () => {
  it('have a title, a maximum with its unit, and none for what did not happen', () => {
    const times = { p50: 5, p95: 12, p99: 20, max: 30 };
    const backlog = {
      waiting: { mean: 2, max: 40 },
      delayed: { mean: 0, max: 0 },
      active: { mean: 1, max: 1 },
      oldestMs: 5,
    };
    const lines = historyHead(history([point(0, 60, { totalMs: times, backlog }), point(1, 120)]), terminal);
    expect(lines).toEqual([
      'queue realtime, last 1h; one column of a chart is 1m',
      'jobs/s     max 2/s       ▅█',
      'total p95  max 12 ms     █',
      'waiting    max 40        █',
    ]);
  });

  it('is a title alone where nothing is recorded', () => {
    expect(historyHead(history([], { kind: 'all', name: null }), terminal)).toEqual(['all queues, last 1h']);
  });
});

describe('the table', () => {
  it('has a row a step with UTC times and rates over the recorded time', () => {
    const one = history([point(0, 30, { ms: 30_000, rows: 60, added: 12 })]);
    const rows = one.points.map((at) => ({ history: one, point: at }));
    const [head, row] = renderList(historyList(false), rows, 'table', { ...terminal, tty: false });
    expect(head?.split('\t').slice(0, 5)).toEqual(['FROM', 'JOBS', 'FAILED', 'JOBS/S', 'ADDED']);
    expect(row?.split('\t').slice(0, 5)).toEqual(['2026-11-28T22:00Z', '30', '0', '1/s', '12']);
  });

  it('names the series of each row where there are several', () => {
    const one = history([point(0, 1)], { kind: 'model', name: 'digits' });
    const [head, row] = renderList(
      historyList(true),
      [{ history: one, point: one.points[0] as HistoryPoint }],
      'table',
      {
        ...terminal,
        tty: false,
      },
    );
    expect([head?.split('\t')[0], row?.split('\t')[0]]).toEqual(['SERIES', 'model digits']);
  });

  it('of series has the trend of each', () => {
    const lines = renderList(seriesList, [history([point(0, 1), point(1, 8)])], 'table', {
      ...terminal,
      tty: false,
    });
    expect(lines[1]).toMatch(/^realtime\t▂█\t9\t0\t/);
    expect(renderList(seriesList, [], 'table', terminal)).toEqual([
      'nothing is recorded: workers write the history while they run (infer worker)',
    ]);
  });
});

describe('events', () => {
  const event: DeploymentEvent = {
    id: 'e1-0',
    at: FROM + 5000,
    kind: 'worker-lost',
    subject: { kind: 'worker', name: 'gpu-1' },
    text: 'worker gpu-1 was lost',
    alarm: true,
    data: {},
  };

  it('are lines with time, kind and what happened', () => {
    expect(eventLine(event)).toBe('2026-11-28T22:00:05Z  worker-lost         worker gpu-1 was lost');
    expect(renderList(eventList, [event], 'wide', { ...terminal, tty: false })[1]).toBe(
      '2026-11-28T22:00:05Z\tworker-lost\tworker gpu-1\tworker gpu-1 was lost',
    );
  });
});
