import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FAMILIES } from '../../src/lib/metrics/exposition.js';
import { ROOT } from '../support/cli.js';

const at = (file: string) => path.join(ROOT, file);
const read = (file: string) => readFileSync(at(file), 'utf8');
const promtool = spawnSync('promtool', ['--version']).error === undefined;

/** Names of the series that Prometheus stores for our metrics. */
const SERIES = new Set(
  FAMILIES.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);
const LABELS = new Map(FAMILIES.map(({ name, labels }) => [name, [...labels, 'le', 'instance', 'job']]));
const FUNCTIONS =
  /^(sum|max|min|rate|increase|histogram_quantile|quantile_over_time|by|and|on|or|unless|le|label_values)$/;

/** Every word of an expression that is not a function, label, text or number must be one of our series. */
function unknownNames(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\b(?:by|on|without|ignoring)\s*\([^)]*\)/g, '');
  const words = bare.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? [];
  return words.filter((word) => !FUNCTIONS.test(word) && !SERIES.has(word));
}

/** Labels that a selector requires of a metric that does not have them. */
function unknownLabels(expression: string): string[] {
  return [...expression.matchAll(/([a-z_]+)\{([^}]*)\}/g)].flatMap(([, name = '', selector = '']) => {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    const known = LABELS.get(name as never) ?? LABELS.get(family as never) ?? [];
    const asked = [...selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label as string);
    return asked.filter((label) => !known.includes(label)).map((label) => `${name}{${label}}`);
  });
}

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; datasource: { uid: string } }[];
}

describe('deploy/grafana/infer.json', () => {
  const dashboard = JSON.parse(read('deploy/grafana/infer.json')) as {
    uid: string;
    title: string;
    schemaVersion: number;
    panels: Panel[];
    templating: { list: { name: string; type: string; query: unknown }[] };
  };
  const shown = dashboard.panels.filter(({ type }) => type !== 'row');

  it('is a dashboard with a uid, and asks for its data source and queues', () => {
    expect(dashboard.uid).toMatch(/^[a-z0-9-]{1,40}$/);
    expect(dashboard.schemaVersion).toBeGreaterThan(30);
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['queue', 'query'],
    ]);
  });

  it('has panels that do not overlap and query only existing metrics', () => {
    expect(shown.length).toBeGreaterThan(15);
    const expressions = shown.flatMap(({ targets }) => targets ?? []);
    expect(expressions.flatMap(({ expr }) => [...unknownNames(expr), ...unknownLabels(expr)])).toEqual([]);
    expect(new Set(expressions.map(({ datasource }) => datasource.uid))).toEqual(
      new Set(['$' + '{datasource}']),
    );
    for (const panel of shown) {
      expect(panel.targets?.length, panel.title).toBeGreaterThan(0);
      expect(panel.description, panel.title).toBeTruthy();
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });
});

interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: { summary: string; description: string };
}

describe('deploy/prometheus', () => {
  const file = parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] };
  const rules = file.groups.flatMap((group) => group.rules);

  it('alerts on existing metrics, each with what to do', () => {
    expect(rules.length).toBeGreaterThan(8);
    expect(rules.flatMap(({ expr }) => [...unknownNames(expr), ...unknownLabels(expr)])).toEqual([]);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(alert).toMatch(/^Infer[A-Z]\w+$/);
      expect(labels.severity, alert).toMatch(/^(critical|warning)$/);
      expect(annotations.summary, alert).toBeTruthy();
      expect(annotations.description, alert).toBeTruthy();
    }
  });

  it('scrapes the default port', () => {
    const config = parse(read('deploy/prometheus/prometheus.yml'));
    expect(config.scrape_configs[0].static_configs[0].targets).toEqual(['127.0.0.1:9464']);
    expect(config.rule_files).toEqual(['alerts.yml']);
  });

  it.skipIf(!promtool)('passes promtool (skipped where it is not installed)', () => {
    for (const args of [
      ['check', 'rules', at('deploy/prometheus/alerts.yml')],
      ['check', 'config', at('deploy/prometheus/prometheus.yml')],
      ['test', 'rules', at('test/contract/alerts.test.yml')],
    ]) {
      const run = spawnSync('promtool', args, { encoding: 'utf8' });
      expect(run.status, run.stdout + run.stderr).toBe(0);
    }
  });
});

describe('docs/metrics.md', () => {
  it('lists every metric with its type, labels and meaning, and no other', () => {
    const rows = [
      ...read('docs/metrics.md').matchAll(
        /^\| `((?:infer|process)_\w+)` *\| (\w+) *\| (.*?) *\| (.*?) *\|$/gm,
      ),
    ];
    const listed = rows.map(([, name, type, labels, help]) => ({ name, type, labels, help }));
    expect(listed).toEqual(
      FAMILIES.map(({ name, type, labels, help }) => ({
        name,
        type,
        labels: labels.map((label) => `\`${label}\``).join(', '),
        help,
      })),
    );
  });
});

describe('the check for unknown metrics', () => {
  it.each([
    ['sum(infer_queue_job)', ['infer_queue_job']],
    ['rate(infer_job_wait_seconds[5m])', ['infer_job_wait_seconds']],
    ['infer_up == 0 and on (queue) nothing', ['nothing']],
    ['sum by (le, queue) (rate(infer_batch_rows_bucket{queue=~"x"}[5m]))', []],
  ])('judges %s correctly', (expression, names) => {
    expect(unknownNames(expression)).toEqual(names);
  });

  it('knows which labels a metric has', () => {
    expect(unknownLabels('infer_up{queue="x"}')).toEqual(['infer_up{queue}']);
    expect(unknownLabels('infer_batch_rows_bucket{le="1",queue!="x"}')).toEqual([]);
  });
});
