import { describe, expect, it } from 'vitest';
import { confirm } from '../../../src/lib/cli/confirm.js';
import { plain } from '../../../src/lib/cli/output/text.js';
import { visibleWidth } from '../../../src/lib/cli/output/width.js';
import { auditView } from '../../../src/lib/cli/views/tune-view.js';
import type { TuneReport } from '../../../src/lib/tune/read-report.js';
import { PIPED } from '../../support/layout.js';

const report: TuneReport = {
  redis: { label: 'redis://h:6379', source: 'flag', cluster: false },
  role: 'broker',
  provider: null,
  worst: 'critical',
  unfinished: null,
  jobs: null,
  nodes: [
    {
      label: 'redis://h:6379',
      version: '7.0.15',
      role: 'master',
      usedMemory: 1024,
      maxMemory: 0,
      refused: null,
      room: { jobs: null, bytesPerJob: 3000, basis: 'assumed' },
      keyspace: null,
      findings: [
        {
          setting: 'maxmemory-policy',
          level: 'critical',
          now: 'all\u001bkeys',
          wanted: 'noeviction',
          why: 'it drops jobs '.repeat(12).trim(),
        },
        { setting: 'timeout', level: 'unknown', now: '?', wanted: '0', why: 'cannot be seen here' },
        { setting: 'hz', level: 'ok', now: '10', wanted: '10', why: 'fine' },
      ],
    },
  ],
};
const at = (width: number) => ({ tty: true, width, paint: plain });
const text = (width: number, all = false): string => auditView(report, at(width), all).join('\n');

describe('the audit view', () => {
  it('hides correct and invisible settings, unless asked', () => {
    expect(text(120)).not.toMatch(/│ (hz|timeout) /);
    expect(text(120)).toMatch(/1 setting is correct.*\n1 setting cannot be seen here/);
    expect(text(120, true)).toMatch(/│ hz /);
  });

  it.each([38, 60, 80, 132])('fits %d columns, with reasons uncut', (width) => {
    const findings = text(width).split('What jobs cost')[0] as string;
    for (const line of findings.split('\n').filter((one) => !/verbose|^Redis /.test(one))) {
      expect(visibleWidth(line)).toBeLessThanOrEqual(width);
    }
    expect(findings.match(/drops/g)).toHaveLength(12);
    expect(text(width)).not.toContain('\u001b');
  });

  it('prints every finding on one line in a pipe', () => {
    const lines = auditView(report, PIPED, false);
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe('SERVER\tLEVEL\tSETTING\tNOW\tWANTED\tWHY');
    expect(lines[3]).toBe('redis://h:6379\tok\thz\t10\t10\tfine');
  });

  it('reports an interrupted change', () => {
    const lines = auditView({ ...report, unfinished: '/state/x.json' }, at(120), false);
    expect(lines.join('\n')).toMatch(
      /a change was interrupted: \/state\/x\.json\n.*infer redis-tune rollback/,
    );
  });
});

it('a non-interactive session is not prompted', async () => {
  expect(await confirm({ question: 'Sure?', yes: true, interactive: false })).toBe(true);
  await expect(confirm({ question: 'Sure?', yes: false, interactive: false })).rejects.toMatchObject({
    code: 'CONFIRM',
    exitCode: 2,
  });
});
