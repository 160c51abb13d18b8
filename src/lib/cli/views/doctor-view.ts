import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import { type Check, type CheckResult, type CheckStatus, TOPICS, type Topic } from '../../doctor/check.js';
import type { Diagnosis } from '../../doctor/diagnose.js';
import type { Verdict } from '../../doctor/verdict.js';
import { wrapWords } from '../output/sentence.js';
import { type Column, renderTable } from '../output/table.js';
import { type Format, heading, type Layout } from '../output/text.js';

const HEADINGS: Record<Topic, string> = {
  redis: 'Redis',
  queues: 'Queues',
  workers: 'Workers',
  models: 'Models',
  gpu: 'GPU',
  config: 'Settings',
  system: 'This machine',
};

const MARKS: Record<CheckStatus, { mark: string; format: Format }> = {
  ok: { mark: '✓', format: 'green' },
  warn: { mark: '!', format: 'yellow' },
  fail: { mark: '✗', format: 'red' },
  skip: { mark: '-', format: 'dim' },
};

const COLUMNS: Column[] = [
  { title: 'STATUS' },
  { title: 'TOPIC' },
  { title: 'CHECK' },
  { title: 'MS', align: 'right' },
  { title: 'FOUND' },
  { title: 'FIX' },
];

/** Findings by topic on a terminal, one row each in a pipe. `verbose`: skipped checks, details, times. */
export function doctorView(
  { results }: Pick<Diagnosis, 'results'>,
  layout: Layout,
  verbose: boolean,
): string[] {
  if (!layout.tty) {
    const rows = results.map((result) => [
      result.status,
      result.topic,
      result.id,
      String(result.ms),
      result.found,
      result.fix ?? '',
    ]);
    return renderTable(COLUMNS, rows, layout);
  }
  const width = Math.max(0, ...results.map((result) => result.title.length));
  return TOPICS.flatMap((topic) => {
    const some = results.filter((result) => result.topic === topic);
    if (some.length === 0) return [];
    const lines = (verbose ? some : together(some)).flatMap((result) =>
      resultLines(result, width, layout, verbose),
    );
    return [heading(HEADINGS[topic], layout.paint), ...lines, ''];
  });
}

/** Checks skipped for the same reason share a line: if Redis is unreachable, that is most of them. */
function together(results: readonly CheckResult[]): CheckResult[] {
  const seen = new Set<string>();
  return results.flatMap((result) => {
    if (result.status !== 'skip') return [result];
    const same = results.filter((one) => one.status === 'skip' && one.found === result.found);
    if (same.length === 1) return [result];
    if (seen.has(result.found)) return [];
    seen.add(result.found);
    return [{ ...result, title: `${same.length} skipped` }];
  });
}

function resultLines(result: CheckResult, titleWidth: number, layout: Layout, verbose: boolean): string[] {
  const { paint, width } = layout;
  const { mark, format } = MARKS[result.status];
  const indent = titleWidth + 6;
  const quiet = result.status === 'skip';
  const time = verbose ? ` ${paint('dim', `(${formatDuration(result.ms)})`)}` : '';
  const [first = '', ...more] = wrap(printable(result.found), width - indent);
  const text = (line: string): string => (quiet ? paint('dim', line) : line);
  const pad = ' '.repeat(indent);
  const details = result.status !== 'ok' || verbose ? (result.details ?? []) : [];
  const fix = result.fix !== undefined && (!quiet || verbose) ? result.fix : undefined;
  return [
    `  ${paint(format, mark)} ${text(result.title.padEnd(titleWidth))}  ${text(first)}${more.length === 0 ? time : ''}`,
    ...more.map((line, at) => `${pad}${text(line)}${at === more.length - 1 ? time : ''}`),
    ...details.flatMap((detail) =>
      wrap(printable(detail), width - indent - 2).map(
        (line, at) => `${pad}${paint('dim', at === 0 ? '· ' : '  ')}${paint('dim', line)}`,
      ),
    ),
    ...(fix === undefined
      ? []
      : wrap(printable(fix), width - indent - 5).map(
          (line, at) => `${pad}${at === 0 ? paint('dim', 'Try:') : '    '} ${paint('cyan', line)}`,
        )),
  ];
}

/** Below this width, a column of words is harder to read than lines broken by the terminal. */
const NARROW = 30;

function wrap(text: string, width: number): string[] {
  return width < NARROW ? [text] : wrapWords(text, width);
}

/** The summary: counts, what is ready, what is not and why. */
export function verdictLines({ verdict, results, ms }: Diagnosis, { paint }: Layout): string[] {
  const { ok, warn, fail, skip } = verdict.counts;
  const parts = [
    paint('green', `${ok} ok`),
    ...(warn > 0 ? [paint('yellow', plural(warn, 'warning'))] : []),
    ...(fail > 0 ? [paint('red', `${fail} failed`)] : []),
    ...(skip > 0 ? [paint('dim', `${skip} skipped`)] : []),
  ];
  return [
    `${plural(results.length, 'check')} in ${formatDuration(ms)}: ${parts.join(', ')}`,
    ...capabilityLines(verdict).map(
      ({ label, text, good }) => `${paint(good ? 'green' : 'red', label)} ${printable(text)}`,
    ),
  ];
}

function capabilityLines({ ready, notReady }: Verdict): { label: string; text: string; good: boolean }[] {
  return [
    ...(ready.length > 0 ? [{ label: 'Ready:', text: ready.join(', '), good: true }] : []),
    ...notReady.map(({ what, because }) => ({
      label: 'Not ready:',
      text: `${what.join(', ')}, because ${because}`,
      good: false,
    })),
  ];
}

/** `infer doctor --list`. */
export function checkListView(checks: readonly Check[], layout: Layout): string[] {
  return renderTable(
    [{ title: 'CHECK' }, { title: 'TOPIC' }, { title: 'LOOKS AT' }],
    checks.map((check) => [check.id, check.topic, check.title]),
    layout,
  );
}

/**
 * The complete report as Markdown, to paste into an issue.
 * @param mask removes what must not leave the machine; applied to every line.
 */
export function reportLines(diagnosis: Diagnosis, mask: (text: string) => string): string[] {
  const { results, verdict, environment } = diagnosis;
  const cell = (text: string): string => printable(text).replaceAll('|', '\\|');
  const row = (...cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const plainLayout: Layout = { tty: false, width: Number.POSITIVE_INFINITY, paint: (_format, text) => text };
  return [
    '## infer doctor',
    '',
    ...verdictLines(diagnosis, plainLayout).map((line) => `- ${line}`),
    '',
    '| status | check | found | fix | ms |',
    '| --- | --- | --- | --- | ---: |',
    ...results.map((result) =>
      row(
        result.status,
        result.id,
        [result.found, ...(result.details ?? [])].join('; '),
        result.fix ?? '',
        String(result.ms),
      ),
    ),
    '',
    '| version | |',
    '| --- | --- |',
    ...environment.versions.map(({ name, value }) => row(name, value)),
    '',
    '| setting | value | from |',
    '| --- | --- | --- |',
    ...environment.settings.map(({ name, value, source }) => row(name, value, source)),
    ...(verdict.ok ? [] : ['', `${plural(verdict.counts.fail, 'check')} failed.`]),
  ].map(mask);
}
