import { describe, expect, it } from 'vitest';
import { plain } from '../../../src/lib/cli/output/text.js';
import { autoscalerTable } from '../../../src/lib/cli/views/autoscaler-table.js';
import type { AutoscalerRecord } from '../../../src/lib/queue/autoscalers.js';

const NOW = 1_700_000_000_000;
const place = (slot: string, state: 'ready' | 'starting') => ({
  ...{ name: slot, pid: 1, slot, gpu: null, since: NOW, adopted: false },
  state,
});
const RECORD: AutoscalerRecord = {
  id: 'box/rt-1',
  host: 'box',
  pid: 7,
  pool: 'rt',
  queues: ['rt'],
  policy: 'predictive',
  dryRun: false,
  min: 1,
  max: 4,
  targetWaitMs: 10_000,
  startedAt: NOW,
  decidedAt: NOW - 1500,
  desired: 4,
  hold: null,
  reason: 'rt 2→4: predicted \u001b[2Jwait 31.2s > 10s',
  workers: [place('a', 'ready'), place('b', 'ready'), place('c', 'starting')],
  troubles: [{ slot: 'd', state: 'failed', reason: '5 failures in a row' }],
};

describe('autoscalers in infer inspect', () => {
  it('are a table within 80 columns on a terminal, with the decisions below it', () => {
    const lines = autoscalerTable([RECORD], { tty: true, width: 80, paint: plain }, NOW);
    expect(lines.join('\n')).toContain('2 ready, 1 starting, 1 failed');
    expect(lines.slice(0, -1).every((line) => line.length <= 80)).toBe(true);
    expect(lines.at(-1)).toMatch(/^rt 2→4: predicted .*wait 31\.2s > 10s$/);
    expect(lines.join('')).not.toContain('\u001b');
  });
});
