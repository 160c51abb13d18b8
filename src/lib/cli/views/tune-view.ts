import { count, percent, plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { THRESHOLDS } from '../../core/thresholds.js';
import { formatBytes } from '../../core/units.js';
import type { NodeReport, TuneReport } from '../../tune/read-report.js';
import type { Finding, Level } from '../../tune/rules.js';
import { wrapWords } from '../output/sentence.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import { type Format, heading, type Layout } from '../output/text.js';
import { titledParts } from '../output/wrap.js';

const FORMATS: Record<Level, Format> = {
  critical: 'red',
  warning: 'yellow',
  unknown: 'dim',
  advice: 'cyan',
  ok: 'green',
};

const FINDING_COLUMNS: Column[] = [
  { title: 'LEVEL' },
  { title: 'SETTING' },
  { title: 'NOW' },
  { title: 'WANTED' },
  { title: 'WHY' },
];

/**
 * The audit: each server's memory and findings, and the cost of jobs. `all` includes settings that are right.
 */
export function auditView(report: TuneReport, layout: Layout, all: boolean): string[] {
  // A pipe gets every line: a script filters for itself.
  const shown = (finding: Finding): boolean =>
    all || !layout.tty || (finding.level !== 'ok' && finding.level !== 'unknown');
  const { paint } = layout;
  if (!layout.tty) return findingRows(report, layout, shown);
  const lines: string[] = [];
  if (report.unfinished !== null) {
    lines.push(
      `${paint('yellow', '!')} a change was interrupted: ${printable(report.unfinished)}`,
      `  ${paint('dim', 'Try:')} ${paint('cyan', 'infer redis-tune rollback')}`,
      '',
    );
  }
  for (const node of report.nodes) {
    lines.push(...nodeHead(node, report, layout), ...nodeFindings(node, layout, shown), '');
  }
  return [...lines, ...jobsSection(report, layout)];
}

function nodeHead(node: NodeReport, report: TuneReport, layout: Layout): string[] {
  const limit = node.maxMemory > 0 ? `of ${formatBytes(node.maxMemory)}` : 'and no limit';
  const whose = report.redis.source === 'embedded' ? " (infer's own)" : '';
  const parts = [
    printable(node.label) + whose,
    printable(node.version),
    ...(node.role === 'replica' ? ['replica'] : []),
    `${formatBytes(node.usedMemory)} ${limit}`,
    ...(report.provider === null ? [] : [report.provider.name]),
    ...(report.role === 'results' ? ['results only'] : []),
  ];
  const refused =
    node.refused === null
      ? []
      : [
          layout.paint(
            'yellow',
            `! CONFIG is refused (${node.refused.slice(0, 60)}): this is what INFO tells`,
          ),
        ];
  return [...titledParts('Redis', parts, layout), ...refused];
}

/** Minimum width for a separate column of reasons. */
const WHY_WIDTH = 36;
/** And the maximum: longer lines are hard to read. */
const WHY_WIDEST = 100;
const BORDERS = 3;

function nodeFindings(node: NodeReport, layout: Layout, shown: (one: Finding) => boolean): string[] {
  const findings = node.findings.filter(shown);
  const summary = summaryOf(
    node.findings.filter((one) => !shown(one)),
    layout,
  );
  if (findings.length === 0) return [`${layout.paint('green', '✓')} nothing to fix`, ...summary];
  const head = findings.map((finding) => [finding.level, finding.setting, finding.now, finding.wanted]);
  const widths = FINDING_COLUMNS.slice(0, 4).map((column, at) =>
    Math.max(column.title.length, ...head.map((row) => printable(row[at] as string).length)),
  );
  const taken = widths.reduce((sum, width) => sum + width + BORDERS, 1);
  const room = Math.min(layout.width - taken - BORDERS, WHY_WIDEST);
  if (room >= WHY_WIDTH) {
    const rows = findings.map((finding): Cell[] => [
      ...cells(finding),
      { values: wrapWords(reason(finding), room) },
    ]);
    return [...renderTable(FINDING_COLUMNS, rows, layout), ...summary];
  }
  const inTable = taken <= layout.width;
  const lines = findings.flatMap((finding) => [
    `${layout.paint(FORMATS[finding.level], finding.level)} ${layout.paint('bold', printable(finding.setting))}`,
    // Replaces the table's reasons if the terminal is too narrow for them.
    ...wrapWords(
      printable((inTable ? '' : `is ${finding.now}, wanted ${finding.wanted}: `) + reason(finding)),
      Math.max(20, layout.width - 4),
    ).map((line) => `  ${line}`),
  ]);
  const table = inTable ? renderTable(FINDING_COLUMNS.slice(0, 4), findings.map(cells), layout) : [];
  return [...table, ...lines, ...summary];
}

/** What the table leaves out: settings that are right, and those that cannot be read. */
function summaryOf(hidden: readonly Finding[], { paint }: Layout): string[] {
  const unseen = hidden.filter(({ level }) => level === 'unknown').length;
  const right = hidden.length - unseen;
  return [
    ...(right === 0 ? [] : [`${plural(right, 'setting is', 'settings are')} correct`]),
    ...(unseen === 0 ? [] : [`${plural(unseen, 'setting')} cannot be seen here`]),
  ].map((text) => paint('dim', `${text}: --verbose shows them`));
}

const reason = ({ why, fix }: Finding): string => (fix === undefined ? why : `${why}. Try: ${fix}`);

const cells = (finding: Finding): Cell[] => [
  { text: finding.level, format: FORMATS[finding.level] },
  finding.setting,
  finding.now,
  finding.wanted,
];

/** Every finding of every server as one table for programs. */
function findingRows(report: TuneReport, layout: Layout, shown: (one: Finding) => boolean): string[] {
  const columns = [{ title: 'SERVER' }, ...FINDING_COLUMNS];
  const rows = report.nodes.flatMap((node) =>
    node.findings.filter(shown).map((finding): Cell[] => [node.label, ...cells(finding), reason(finding)]),
  );
  return renderTable(columns, rows, layout);
}

const KIND_COLUMNS: Column[] = [
  { title: 'JOBS' },
  { title: 'COUNT', align: 'right' },
  { title: 'EACH', align: 'right' },
  { title: 'RECORD', align: 'right' },
  { title: 'INPUT', align: 'right' },
  { title: 'RESULT', align: 'right' },
  { title: 'TOGETHER', align: 'right' },
];

/** Memory used by jobs, results and event streams, how many more fit, and other users of the server. */
function jobsSection({ jobs, nodes, role }: TuneReport, layout: Layout): string[] {
  const { paint } = layout;
  const lines = [heading('What jobs cost', paint)];
  if (jobs === null) lines.push(paint('dim', 'cannot be measured: this user or server does not allow it'));
  else if (jobs.kinds.length === 0) {
    if (role === 'broker') lines.push(paint('dim', 'no jobs are here now'));
  } else {
    const rows = jobs.kinds.map((kind): Cell[] => [
      kind.kind,
      count(kind.jobs),
      ...[kind.bytesPerJob, kind.recordBytes, kind.inputBytes, kind.resultBytes, kind.totalBytes].map(
        (bytes) => (bytes === 0 ? { text: '-', format: 'dim' as const } : formatBytes(bytes)),
      ),
    ]);
    lines.push(...renderTable(KIND_COLUMNS, rows, layout));
  }
  const results = nodes.reduce((sum, { keyspace }) => sum + (keyspace?.results.keys ?? 0), 0);
  if (results > 0) {
    const bytes = nodes.reduce((sum, { keyspace }) => sum + (keyspace?.results.bytes ?? 0), 0);
    lines.push(`results        ${plural(results, 'key')}, ${formatBytes(bytes)}${share(bytes, nodes)}`);
  }
  if (jobs !== null && jobs.events.queues > 0) {
    const { queues, entries, bytes } = jobs.events;
    lines.push(
      `event streams  ${plural(entries, 'entry', 'entries')} of ${plural(queues, 'queue')}, ${formatBytes(bytes)}${share(bytes, nodes)}`,
    );
  }
  return [...lines, ...nodes.flatMap((node) => roomLines(node, nodes.length > 1, layout))];
}

function share(bytes: number, nodes: readonly NodeReport[]): string {
  const used = nodes.reduce((sum, node) => sum + node.usedMemory, 0);
  return used === 0 ? '' : ` (${Math.round((bytes / used) * 100)} % of the memory in use)`;
}

/** Width of labels such as `event streams`, including the gap. */
const NAME_WIDTH = 15;

function roomLines({ room, keyspace, label }: NodeReport, several: boolean, layout: Layout): string[] {
  const named = (name: string, text: string): string[] =>
    wrapWords(text, layout.width - NAME_WIDTH).map(
      (line, at) => (at === 0 ? name : '').padEnd(NAME_WIDTH) + line,
    );
  const where = several ? `${printable(label)}: ` : '';
  const by =
    room.basis === 'measured'
      ? `at ${formatBytes(room.bytesPerJob)} each, the most expensive kind`
      : `at ${formatBytes(room.bytesPerJob)} each, assuming 1 KB in and 1 KB out`;
  const fits =
    room.jobs === null
      ? 'unknown: no limit is set'
      : `${count(room.jobs)} more jobs before new work is refused at ${percent(THRESHOLDS.memoryFull.value)}, ${by}`;
  const lines = named('room', where + fits);
  if (keyspace !== null && keyspace.others.keys > 0) {
    const about = keyspace.looked < keyspace.keys ? 'about ' : '';
    lines.push(
      ...named(
        'other keys',
        `${where}${about}${count(keyspace.others.keys)} of ${count(keyspace.keys)} are not this installation's: ${keyspace.others.examples.join(', ')}`,
      ),
    );
  }
  if (keyspace !== null && keyspace.otherDatabases > 0) {
    lines.push(
      ...named(
        'other keys',
        `${where}${count(keyspace.otherDatabases)} in other databases, which share the memory`,
      ),
    );
  }
  return lines;
}
