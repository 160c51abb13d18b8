import { BOUNDS } from '../core/bounds.js';
import { type Derived, derived } from './derived.js';
import type { DataType } from './tensor.js';
import { readTriton, TritonFault, type TritonMessage } from './triton-fields.js';
import { refuseUnsupported, unusedNotes } from './triton-limits.js';
import { dataTypeOf, TRITON_TYPES } from './triton-types.js';

/** One input or output as a config.pbtxt declares it. */
export interface TritonTensor {
  name: string;
  type: DataType;
  /** The whole shape that the model must have; null = any size. */
  shape: (number | null)[];
  /** The number of sizes that clients of Triton leave out: 1 with a batch, else 0. */
  batch: 0 | 1;
  /** Lines of `name`, `data_type` and of the shape. */
  lines: { name: number; type: number; shape: number };
}

/** What must agree with the ONNX file. */
export interface TritonTensors {
  /** `digits/config.pbtxt` */
  label: string;
  /** Undefined: the file leaves them to the model. */
  inputs: TritonTensor[] | undefined;
  outputs: TritonTensor[] | undefined;
  /** The line and number of max_batch_size, if it is above 0. */
  maxBatch?: { line: number; value: number };
}

export interface TritonConfig extends Derived {
  tensors: TritonTensors;
  /** `default_model_filename`, below a version directory. */
  file?: string;
  /** The file with the names of the classes, below the model's directory, and the line that names it. */
  labels?: { file: string; line: number };
}

const MOST_ROWS = BOUNDS.maxBatch.max;

/**
 * Settings from the text of a config.pbtxt. `max_batch_size` becomes `maxBatch`, or one request a run if it is 0;
 * shapes those of one row; preferred sizes those that are warmed up. Rows are batched if the trial at load finds them
 * independent, as for every model.
 * @param name of the model, which the file must repeat if it gives one.
 * @param label of the file in messages.
 * @throws TritonFault for faults of the file itself, and for what infer cannot serve.
 */
export function readTritonConfig(text: string, name: string, label: string): TritonConfig {
  const config = readTriton(text);
  refuseUnsupported(config);
  const own = config.text('name');
  if (own !== undefined && own.value !== '' && own.value !== name) {
    throw new TritonFault(
      own.line,
      `field name is "${own.value}", but the model is called ${name}`,
      `name: "${name}", or leave it out`,
    );
  }
  const size = config.whole('max_batch_size');
  if (size !== undefined && size.value < 0)
    throw new TritonFault(size.line, 'field max_batch_size is below 0', 'max_batch_size: 0 for no batching');
  const batch = size !== undefined && size.value > 0 ? 1 : 0;
  const found: TritonConfig = {
    ...derived(),
    tensors: {
      label,
      inputs: tensorsOf(config, 'input', batch),
      outputs: tensorsOf(config, 'output', batch),
    },
  };
  if (size !== undefined && size.value > 0) found.tensors.maxBatch = size;
  found.notes.push(...unusedNotes(config));
  takeBatch(config, found);
  takeShapes(found, size?.value);
  takeLabels(config, found);
  const file = config.text('default_model_filename');
  if (file !== undefined && file.value !== '') {
    if (/[/\\]|^\.\.?$/.test(file.value))
      throw new TritonFault(
        file.line,
        'field default_model_filename must be the name of a file without a directory',
      );
    found.file = file.value;
    found.origins.push({ field: 'file', from: 'config.pbtxt default_model_filename', assumed: false });
  }
  return found;
}

function tensorsOf(
  config: TritonMessage,
  section: 'input' | 'output',
  batch: 0 | 1,
): TritonTensor[] | undefined {
  const messages = config.messages(section);
  if (messages.length === 0) return undefined;
  const seen = new Set<string>();
  return messages.map((message) => {
    const name = message.text('name');
    const where = name === undefined ? section : `${section} "${name.value}"`;
    if (name === undefined) throw new TritonFault(message.line, `an ${section} has no name`, 'name: "…"');
    if (seen.has(name.value))
      throw new TritonFault(name.line, `${where} appears twice`, 'remove one of the two');
    seen.add(name.value);
    const word = message.text('data_type');
    const type = word && dataTypeOf(word.value);
    if (type === undefined) {
      const what =
        word === undefined ? 'has no data_type' : `has data_type ${word.value}, which infer cannot serve`;
      throw new TritonFault(
        word?.line ?? message.line,
        `${where} ${what}`,
        `one of ${Object.values(TRITON_TYPES).join(', ')}`,
      );
    }
    const dims = message.wholes('dims');
    const reshape = message.message('reshape');
    if (dims.length === 0) throw new TritonFault(message.line, `${where} has no dims`, 'dims: [ -1 ]');
    const sizes = reshape?.wholes('shape') ?? dims;
    const bad = [...dims, ...sizes].find(({ value }) => value < -1 || value === 0);
    if (bad !== undefined)
      throw new TritonFault(
        bad.line,
        `${where} has the size ${bad.value}`,
        'a size is above 0, or -1 for any',
      );
    const shape = sizes.map(({ value }) => (value === -1 ? null : value));
    const line = reshape?.line ?? dims[0]?.line ?? message.line;
    return {
      name: name.value,
      type,
      shape: batch === 1 ? [null, ...shape] : shape,
      batch,
      lines: { name: name.line, type: word?.line ?? message.line, shape: line },
    };
  });
}

function takeBatch(config: TritonMessage, { manifest, origins, notes, tensors }: TritonConfig): void {
  const { maxBatch } = tensors;
  const from = 'config.pbtxt max_batch_size';
  const dynamic = config.message('dynamic_batching');
  if (maxBatch !== undefined) {
    manifest.maxBatch = Math.min(maxBatch.value, MOST_ROWS);
    origins.push({ field: 'maxBatch', from, assumed: false });
    if (dynamic === undefined)
      notes.push(
        'config.pbtxt has no dynamic_batching: infer still runs rows of several jobs together, up to maxBatch',
      );
  } else if (config.whole('max_batch_size') !== undefined) {
    manifest.batchable = false;
    origins.push({ field: 'batchable', from: `${from}: 0`, assumed: false });
  }
  const preferred = dynamic?.wholes('preferred_batch_size') ?? [];
  const most = maxBatch?.value ?? 0;
  const bad = preferred.find(({ value }) => value < 1 || value > most);
  if (bad !== undefined) {
    throw new TritonFault(
      bad.line,
      `field dynamic_batching.preferred_batch_size is ${bad.value}, and max_batch_size ${most}`,
      `name sizes of 1 to ${most}, or raise max_batch_size`,
    );
  }
  const sizes = [...new Set(preferred.map(({ value }) => value))].filter((value) => value <= MOST_ROWS);
  if (sizes.length === 0) return;
  manifest.warmup = { rows: sizes };
  const from2 = 'config.pbtxt dynamic_batching.preferred_batch_size';
  origins.push({ field: 'warmup.rows', from: from2, assumed: true });
}

/** Row shapes; with `max_batch_size: 0` the whole tensor is one row. Without the field, the trial decides. */
function takeShapes({ manifest, origins, tensors }: TritonConfig, maxBatch: number | undefined): void {
  if (maxBatch === undefined) return;
  for (const section of ['inputs', 'outputs'] as const) {
    for (const { name, shape, batch } of tensors[section] ?? []) {
      const row = shape.slice(batch);
      manifest[section] = {
        ...manifest[section],
        [name]: batch === 1 ? { shape: row } : { shape: row, batchAxis: null },
      };
      origins.push({
        field: `${section}.${name}.shape`,
        from: `config.pbtxt ${section.slice(0, -1)}.dims`,
        assumed: false,
      });
    }
  }
}

function takeLabels(config: TritonMessage, found: TritonConfig): void {
  const named = config.messages('output').flatMap((output) => {
    const file = output.text('label_filename');
    return file === undefined || file.value === ''
      ? []
      : [{ output: output.text('name')?.value ?? '', file }];
  });
  const [first] = named;
  if (first === undefined) return;
  found.labels = { file: first.file.value, line: first.file.line };
  found.origins.push({
    field: 'labels',
    from: `config.pbtxt label_filename ${first.file.value}`,
    assumed: false,
  });
  for (const { output } of named.slice(1))
    found.notes.push(
      `config.pbtxt: the labels of output ${output} are not used: a model has one list of labels, that of ${first.output}`,
    );
  found.notes.push(
    'labels are for callers that ask for Triton\'s classification; "task": "classification" in model.json gives every caller a class',
  );
}
