import type { DemoJson, Percentiles } from '../../bench/demo-figures.js';
import type { Kept } from '../../bench/stage.js';
import type { JobResult } from '../../client/types.js';
import { count } from '../../core/counts.js';
import { formatDuration } from '../../core/units.js';
import type { Invocation } from '../invocation.js';
import { renderTable } from '../output/table.js';
import { facts, heading, type Layout, type Paint } from '../output/text.js';

const SHADES = ['  ', '░░', '▒▒', '▓▓', '██'];
const SIDE = 8;

/** An 8x8 digit in shades of ink, next to the model's prediction. */
export function digitView(
  pixels: readonly number[],
  label: number,
  answer: JobResult,
  paint: Paint,
): string[] {
  const found = answer.result as { class: number; confidence: number };
  const right = found.class === label;
  const good = emphasis(paint);
  const captions: Record<number, string> = {
    2: `looks like a ${good(String(found.class), right ? 'green' : 'red')}, ${sureness(found.confidence)} sure`,
    3: paint('dim', `it is a ${label}`),
    4: paint('dim', `run in ${formatDuration(answer.timing?.runMs ?? 0)} on ${answer.device ?? 'cpu'}`),
  };
  return Array.from({ length: SIDE }, (_, row) => {
    const line = pixels.slice(row * SIDE, (row + 1) * SIDE).map(shade);
    return `  ${line.join('')}   ${captions[row] ?? ''}`.trimEnd();
  });
}

function shade(ink: number): string {
  return SHADES[Math.min(SHADES.length - 1, Math.round(ink * (SHADES.length - 1)))] as string;
}

/** The measurements; the same on a terminal and in a pipe, except for the table's borders. */
export function demoView(demo: DemoJson, layout: Layout): string[] {
  const { paint } = layout;
  const { accuracy, batch, latency } = demo;
  const good = emphasis(paint);
  const same =
    accuracy.differing === 0
      ? ''
      : paint('red', `; ${count(accuracy.differing)} rows answered differently later`);
  return [
    ...facts(
      [
        [
          'accuracy',
          `${good(percent(accuracy.share))}  ${accuracy.right} of ${accuracy.of} test digits right${same}`,
        ],
        [
          'throughput',
          `${good(`${count(batch.rowsPerSecond)} rows/s`)}  ${count(batch.rows)} rows in ${formatDuration(batch.seconds * 1000)} on ${demo.device}`,
        ],
      ],
      paint,
    ),
    '',
    heading('Latency of one priority-9 digit', paint),
    ...latencyTable(latency, layout),
  ];
}

function latencyTable({ alone, besideBatch }: DemoJson['latency'], layout: Layout): string[] {
  const row = (name: string, times: Percentiles, samples: number) => [
    name,
    ...[times.p50, times.p90, times.p99].map((ms) => formatDuration(ms)),
    count(samples),
  ];
  return renderTable(
    [
      { title: 'WHILE' },
      { title: 'P50', align: 'right' },
      { title: 'P90', align: 'right' },
      { title: 'P99', align: 'right' },
      { title: 'SAMPLES', align: 'right' },
    ],
    [
      row('worker idle, end to end', alone.totalMs, alone.samples),
      row('batch under way, end to end', besideBatch.totalMs, besideBatch.samples),
      row('  of that in the queue', besideBatch.queueMs, besideBatch.samples),
      row('  of that in the model', besideBatch.runMs, besideBatch.samples),
    ],
    layout,
  );
}

/** One style inside the other: Node 20's styleText colours pipes when given both at once. */
function emphasis(paint: Paint): (text: string, colour?: 'green' | 'red') => string {
  return (text, colour = 'green') => paint('bold', paint(colour, text));
}

/** Three commands that work from the current directory; `redis` is the server to be named in them. */
export function tryNext(
  { infer, oneDigit }: Invocation,
  demo: DemoJson,
  redis: string | null,
  paint: Paint,
): string[] {
  const { kept } = demo;
  const server = kept?.redis ?? redis;
  const prefix = kept === null || kept.stateDir !== null ? '' : ` --prefix ${kept.prefix}`;
  const where = `${server === null ? '' : ` --redis ${server}`}${prefix}`;
  const submit = `${infer} submit --priority 9 ${oneDigit} --wait${where}`;
  const inspect: Command = [`${infer} inspect${where}`, 'queues and workers'];
  const commands: Command[] =
    kept === null
      ? [
          [`${infer} up${where}`, 'a worker and the HTTP gateway, until Ctrl-C'],
          [submit, 'in another terminal: one answer'],
          inspect,
        ]
      : [
          [submit, 'one answer'],
          [`${infer} result ${demo.batch.group} -o results.ndjson${where}`, "the batch's results"],
          inspect,
        ];
  return ['', heading('Try next', paint), ...commandLines(commands, paint)];
}

/** What keeps running after `--keep`, and how to stop it. */
export function keptView({ infer }: Invocation, kept: Kept, paint: Paint): string[] {
  const commands: Command[] = [[`kill ${kept.workerPid}`, 'the worker']];
  if (kept.stateDir !== null) {
    commands.push([`INFER_STATE_DIR=${kept.stateDir} ${infer} redis stop`, 'its Redis']);
  }
  commands.push([`rm -r ${kept.dir}`, kept.stateDir === null ? 'the log' : 'its data and the log']);
  const notes = kept.stateDir === null ? [`  keys of the prefix ${kept.prefix} stay in Redis`] : [];
  return ['', heading('Still running; to end it', paint), ...commandLines(commands, paint), ...notes];
}

/** What to type, and what it does. */
type Command = readonly [string, string];

function commandLines(commands: readonly Command[], paint: Paint): string[] {
  const width = Math.max(...commands.map(([command]) => command.length));
  return commands.map(([command, why]) => `  ${paint('cyan', command.padEnd(width))}  ${paint('dim', why)}`);
}

/** Never rounded up to a certainty that the model does not have. */
function sureness(confidence: number): string {
  return percent(Math.floor(confidence * 10_000) / 10_000);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
