import { printable } from '../../core/job.js';
import { formatBytes } from '../../core/units.js';
import { originText } from '../../model/derived.js';
import type { ModelSignature } from '../../model/signature.js';
import { sentence, widthIn } from '../output/sentence.js';
import type { Layout } from '../output/text.js';
import { tensorText } from './models-view.js';

/** Most labels that are shown. */
const MOST_LABELS = 8;

/** One model in detail: what it takes and gives, how it is batched, and where its settings come from. */
export function modelView(model: ModelSignature, layout: Layout): string[] {
  const { paint } = layout;
  const rows: [string, string][] = [
    [
      'model',
      `${model.name} version ${model.version} (${formatBytes(model.sizeBytes)}, digest ${model.digest})`,
    ],
    ['task', model.task],
    ...model.inputs.map((one): [string, string] => ['input', tensorText(one)]),
    ...model.outputs.map((one): [string, string] => ['output', tensorText(one)]),
    ['batching', batchingText(model)],
  ];
  if (model.labels !== undefined) rows.push(['labels', labelsText(model.labels)]);
  for (const origin of model.origins ?? []) rows.push(['read', originText(origin)]);
  for (const note of model.notes ?? []) rows.push(['note', note]);
  for (const warning of model.warnings) rows.push(['warning', warning]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.flatMap(([name, value], at) => {
    const repeated = rows[at - 1]?.[0] === name;
    const title = (repeated ? '' : name).padEnd(width);
    return sentence(
      `${paint(name === 'warning' ? 'yellow' : 'dim', title)}  `,
      printable(value),
      widthIn(layout),
    );
  });
}

function batchingText({ batchable, batching, maxBatch }: ModelSignature): string {
  if (!batchable) return `one row a run${batching?.ok === false ? `: ${batching.text}` : ''}`;
  return maxBatch === undefined ? 'rows share a run' : `rows share a run, at most ${maxBatch}`;
}

function labelsText(labels: readonly string[]): string {
  const more = labels.length - MOST_LABELS;
  return `${labels.slice(0, MOST_LABELS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
