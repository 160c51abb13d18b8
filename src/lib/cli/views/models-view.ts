import { formatBytes } from '../../core/units.js';
import { originText } from '../../model/derived.js';
import type { ModelSignature, TensorSignature } from '../../model/signature.js';
import type { Skipped } from '../../model/survey.js';
import { hintLines, sentence, widthIn } from '../output/sentence.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import type { Layout } from '../output/text.js';

/** A model that could not be read; one bad file does not hide others. */
export interface BrokenModel {
  name: string;
  message: string;
  hint?: string | undefined;
}

const COLUMNS: Column[] = [
  { title: 'NAME' },
  { title: 'VERSION', align: 'right' },
  { title: 'INPUTS' },
  { title: 'OUTPUTS' },
  { title: 'BATCH AXIS', align: 'right' },
  { title: 'TASK' },
  { title: 'SIZE', align: 'right' },
];

export function modelsView(models: readonly ModelSignature[], layout: Layout): string[] {
  const { paint } = layout;
  const rows = models.map((model): Cell[] => [
    model.name,
    String(model.version),
    { values: model.inputs.map(tensorText) },
    { values: model.outputs.map(tensorText) },
    batchAxis(model),
    model.task,
    layout.tty ? formatBytes(model.sizeBytes) : String(model.sizeBytes),
  ]);
  return rows.length === 0 && layout.tty ? [paint('dim', 'no models')] : renderTable(COLUMNS, rows, layout);
}

/** What was read from files other than the ONNX file and model.json, and what was assumed; by model. */
export function readLines(models: readonly ModelSignature[], layout: Layout): string[] {
  const { paint } = layout;
  return models.flatMap(({ name, origins = [], notes = [] }) =>
    [...origins.map(originText), ...notes].flatMap((text) =>
      sentence(`${paint('dim', '·')} `, `${name}: ${text}`, widthIn(layout)),
    ),
  );
}

/** Warnings about models that load, errors of those that do not, and things not recognised as models. */
export function amissLines(
  {
    models,
    broken,
    skipped,
  }: { models: readonly ModelSignature[]; broken: readonly BrokenModel[]; skipped: readonly Skipped[] },
  layout: Layout,
): string[] {
  const { paint } = layout;
  const told = (sign: string, text: string, fix?: string) => [
    ...sentence(`${sign} `, text, widthIn(layout)),
    ...(fix === undefined ? [] : hintLines(fix, layout, '  ')),
  ];
  return [
    ...models.flatMap(({ name, warnings }) =>
      warnings.flatMap((warning) => told(paint('yellow', '!'), `${name}: ${warning}`)),
    ),
    ...skipped.flatMap(({ reason, fix }) => told(paint('yellow', '!'), reason, fix)),
    ...broken.flatMap(({ name, message, hint }) =>
      told(paint('red', '✗'), message.includes(name) ? message : `${name}: ${message}`, hint),
    ),
  ];
}

/** `pixels float32[batch,64]`: the row's shape with the batch axis if the model has one, and its default. */
export function tensorText(tensor: TensorSignature): string {
  const dims = tensor.shape.map((dim) => (dim === null ? '?' : String(dim)));
  if (tensor.batchAxis !== null) dims.splice(tensor.batchAxis, 0, 'batch');
  const kind = tensor.role === 'image' || tensor.role === 'text' ? tensor.role : tensor.type;
  return `${tensor.name} ${kind}[${dims.join(',')}]${defaultText(tensor)}`;
}

/** ` = 16000`, after an optional input. */
function defaultText({ default: value }: TensorSignature): string {
  if (value === undefined) return '';
  return Array.isArray(value) ? ' = […]' : ` = ${JSON.stringify(value)}`;
}

function batchAxis(model: ModelSignature): string {
  if (!model.batchable) return 'none';
  const axes = [...new Set(model.inputs.map((input) => input.batchAxis).filter((axis) => axis !== null))];
  return axes.length === 0 ? 'none' : axes.join(',');
}
