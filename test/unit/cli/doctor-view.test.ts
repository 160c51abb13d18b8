import { describe, expect, it } from 'vitest';
import { plain } from '../../../src/lib/cli/output/text.js';
import { doctorView, reportLines, verdictLines } from '../../../src/lib/cli/views/doctor-view.js';
import type { CheckResult } from '../../../src/lib/doctor/check.js';
import { judge } from '../../../src/lib/doctor/verdict.js';
import { PIPED } from '../../support/layout.js';

const result = (more: Partial<CheckResult>): CheckResult => ({
  id: 'redis-memory',
  topic: 'redis',
  title: 'memory',
  status: 'ok',
  found: '1 MB of 1 GB used (0 %)',
  ms: 12,
  ...more,
});
const RESULTS = [
  result({ id: 'redis-reach', title: 'Redis answers', found: 'redis://h:1, round trip 0.3 ms' }),
  result({
    status: 'warn',
    found: '900 MB used and no limit: it grows until the system kills it, jobs and all',
    fix: 'infer redis-tune apply',
    details: ['one', 'two'],
  }),
  result({ id: 'redis-clock', title: 'clock', status: 'skip', found: 'no right' }),
  result({ id: 'redis-results', title: 'results', status: 'skip', found: 'no right' }),
  result({
    id: 'gpu-driver',
    topic: 'gpu',
    title: 'driver',
    status: 'fail',
    found: 'no \u001b[31mGPU',
    blocks: ['GPU workers'],
  }),
];
const diagnosis = {
  results: RESULTS,
  verdict: judge(RESULTS),
  environment: {
    versions: [{ name: 'infer', value: '1.0.0' }],
    settings: [{ name: 'prefix', value: 'a|b', source: 'default' }],
  },
  ms: 1300,
};
const screen = (width: number) => ({ tty: true, width, paint: plain });

describe('the doctor view', () => {
  it('groups by topic, shows fixes, and combines checks skipped for the same reason', () => {
    expect(doctorView(diagnosis, screen(70), false)).toEqual([
      'Redis',
      '  ✓ Redis answers  redis://h:1, round trip 0.3 ms',
      '  ! memory         900 MB used and no limit: it grows until the system',
      '                   kills it, jobs and all',
      '                   · one',
      '                   · two',
      '                   Try: infer redis-tune apply',
      '  - 2 skipped      no right',
      '',
      'GPU',
      '  ✗ driver         no \\x1b[31mGPU',
      '',
    ]);
  });

  it('shows every check and its duration with --verbose', () => {
    const lines = doctorView(diagnosis, screen(200), true);
    expect(lines).toContain('  - clock          no right (12 ms)');
    expect(lines).toContain('  - results        no right (12 ms)');
    expect(lines).toContain('  ✓ Redis answers  redis://h:1, round trip 0.3 ms (12 ms)');
  });

  it.each([20, 40, Number.POSITIVE_INFINITY])('does not cut lines on a terminal of %d columns', (width) => {
    const lines = doctorView(diagnosis, screen(width), false);
    expect(lines.join('\n')).toContain('it grows until the system kills it, jobs and all');
  });

  it('ends with what is ready and what is not', () => {
    expect(verdictLines(diagnosis, screen(80))).toEqual([
      '5 checks in 1.3 s: 1 ok, 1 warning, 1 failed, 2 skipped',
      'Ready: submit, results, inspect',
      'Not ready: GPU workers, because no \\x1b[31mGPU',
    ]);
  });

  it('is tab-separated in a pipe', () => {
    const lines = doctorView(diagnosis, PIPED, false);
    expect(lines).toHaveLength(6);
    expect(lines[2]).toMatch(/^warn\tredis\tredis-memory\t12\t900 MB used .*\tinfer redis-tune apply$/);
  });

  it('renders a report as Markdown with every line masked', () => {
    const lines = reportLines(diagnosis, (text) => text.replaceAll('redis://h:1', '(masked)'));
    expect(lines).toContain('| ok | redis-reach | (masked), round trip 0.3 ms |  | 12 |');
    expect(lines).toContain('| prefix | a\\|b | default |');
    expect(lines.join('\n')).not.toContain('\u001b');
  });
});
