import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { percent } from '../../src/lib/core/counts.js';
import { THRESHOLDS, type Threshold } from '../../src/lib/core/thresholds.js';
import { formatDuration } from '../../src/lib/core/units.js';
import { ROOT } from '../support/cli.js';
import { withoutComments } from './source.js';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const rows = Object.values(THRESHOLDS) as readonly Threshold[];

function shown({ value, unit }: Threshold): string {
  if (unit === 'share') return percent(value);
  return unit === 'ms' ? formatDuration(value) : String(value);
}

describe('docs/thresholds.md', () => {
  it('has a row for each threshold, with its value and reason', () => {
    const cells = read('docs/thresholds.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| (-|From)/.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(cells).toEqual(rows.map((row) => [shown(row), row.judges, row.why]));
  });
});

describe('deploy/prometheus/alerts.yml', () => {
  const { groups } = parse(read('deploy/prometheus/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  const limitOf = (alert: string) => {
    const rule = groups.flatMap(({ rules }) => rules).find((one) => one.alert === alert);
    return Number(/[>=]=? ([\d.]+)$/.exec(rule?.expr.trim() ?? '')?.[1]);
  };

  it.each([
    ['InferWorkerSilent', THRESHOLDS.workerSilent.value / 1000],
    ['InferWorkerLoopLag', THRESHOLDS.loopLag.value / 1000],
    ['InferRedisNearlyFull', THRESHOLDS.memoryFull.value],
    ['InferGpuMemoryFull', THRESHOLDS.gpuMemoryFull.value],
  ])('has %s alert at the same value', (alert, value) => {
    expect(limitOf(alert)).toBe(value);
  });
});

describe('the code', () => {
  const SHOWN = [THRESHOLDS.memoryFull, THRESHOLDS.workerForgotten, THRESHOLDS.memoryFilling].map(shown);

  it('takes the thresholds that its messages show from the table', () => {
    const typed = sources().flatMap(({ file, text }) =>
      SHOWN.filter((value) => text.includes(value)).map((value) => `${file}: ${value}`),
    );
    expect(typed).toEqual([]);
  });

  it('compares with each number of the table', () => {
    const code = sources()
      .map(({ text }) => text)
      .join('\n');
    const unused = Object.keys(THRESHOLDS).filter((name) => !code.includes(`THRESHOLDS.${name}`));
    // Taken apart where they are used.
    expect(unused).toEqual(['autoscalerSilent', 'autoscalerSilentBeats']);
  });
});

/** The source files without comments, except the table itself. */
function sources(): { file: string; text: string }[] {
  return readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('thresholds.ts'))
    .map((file) => ({ file, text: withoutComments(read(path.join('src', file))) }));
}
