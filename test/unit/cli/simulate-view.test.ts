import { describe, expect, it } from 'vitest';
import { plain } from '../../../src/lib/cli/output/text.js';
import { assumptionsText, decisionLines, simulateView } from '../../../src/lib/cli/views/simulate-view.js';
import type { Figures } from '../../../src/lib/scale/report.js';
import type { SimulationJson } from '../../../src/lib/scale/simulate-run.js';
import { PIPED } from '../../support/layout.js';

const FIGURES: Figures = {
  jobs: 100,
  slo: 0.9473,
  meanWaitMs: 1400,
  p99WaitMs: 14_200,
  gpuHours: 1.45,
  gpuHoursPerHour: 1.45,
  startsPerHour: 3,
  stopsPerHour: 3,
  flipsPerHour: 1,
  makespanMs: 3_600_000,
  unserved: 0,
};
const TIMELINE = {
  pieceMs: 60_000,
  arrivals: [1, 1, 14, 14, 1, 0],
  backlog: [0, 1, 200, 100, 0, 0],
  ready: [1, 1, 2, 4, 4, 3],
  starting: [0, 0, 3, 0, 0, 0],
  decisions: [{ atMs: 124_000, reason: 'made 1→4: predicted wait 6.6s > 5s' }],
};

function simulation(traces: string[], timeline = traces.length === 1): SimulationJson {
  const policies = [{ policy: 'predictive', figures: FIGURES, ...(timeline ? { timeline: TIMELINE } : {}) }];
  return {
    coldStartMs: 20_000,
    serviceMs: 250,
    serviceFromTrace: false,
    targetWaitMs: 10_000,
    min: 1,
    max: 4,
    spare: 1,
    threshold: null,
    intervalMs: 2000,
    seeds: 3,
    traces: traces.map((trace) => ({ trace, policies })),
    mean: [{ policy: 'predictive', figures: FIGURES }],
  };
}

describe('the simulation view', () => {
  it('is a table in a pipe, with the mean of several traces', () => {
    expect(simulateView(simulation(['flash', 'dump']), PIPED)).toEqual([
      'TRACE\tPOLICY\tIN TIME\tGPU-H/H\tMEAN WAIT\tP99 WAIT\tSTARTS/H\tFLIPS/H\tMAKESPAN',
      'flash\tpredictive\t94.7 %\t1.45\t1.4 s\t14.2 s\t3.0\t1.0\t1h 0m',
      'dump\tpredictive\t94.7 %\t1.45\t1.4 s\t14.2 s\t3.0\t1.0\t1h 0m',
      'mean\tpredictive\t94.7 %\t1.45\t1.4 s\t14.2 s\t3.0\t1.0\t1h 0m',
    ]);
  });

  it('shows the course over time on a terminal', () => {
    const lines = simulateView(simulation(['flash']), { tty: true, width: 100, paint: plain });
    expect(lines.slice(lines.indexOf('flash, the first seed'))).toMatchInlineSnapshot(`
      [
        "flash, the first seed",
        "jobs/s in  max 14     ▁▁██▁",
        "predictive",
        "  waiting  max 200     ▁█▄",
        "  workers  max 4      ▂▂▄██▆",
        "                      0 6m 0s",
      ]
    `);
  });

  it('omits the chart where it does not fit', () => {
    const lines = simulateView(simulation(['flash']), { tty: true, width: 40, paint: plain });
    expect(lines.join('\n')).not.toContain('first seed');
  });

  it('makes file names printable', () => {
    const odd = simulateView(simulation(['\u001b[31mx.csv']), { tty: true, width: 200, paint: plain });
    expect(odd.join('\n')).not.toContain('\u001b');
  });

  it('states the assumptions and the decisions', () => {
    expect(assumptionsText(simulation(['flash']))).toBe(
      'In time: a wait of 10 s at most. Cold start 20 s, 250 ms a job, 1 to 4 workers, 1 spare, mean of 3 seeds.',
    );
    expect(decisionLines(simulation(['flash']))).toEqual([
      'predictive at 2m 4s: made 1→4: predicted wait 6.6s > 5s',
    ]);
  });
});
