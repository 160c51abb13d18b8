import { badInput } from '../core/errors.js';
import { defaultTensor } from '../model/defaults.js';
import { CODECS, firstBadText, type NumericArray, writeElements } from '../model/elements.js';
import { arrange, asRow, flatElements, isList, measure } from '../model/row-shape.js';
import type { ModelSignature, TensorSignature } from '../model/signature.js';
import {
  type DataType,
  elementCount,
  encodeStrings,
  fromOipName,
  OIP_NAMES,
  type Payload,
  type RowTensor,
} from '../model/tensor.js';
import { describe } from '../model/value-words.js';
import { elementError } from './element-error.js';
import { imageRole, imagesOf } from './image-column.js';
import { type BinaryTensors, halfAsJson, rowBytes } from './oip-binary.js';
import { inputNames, inputOf, isFields, nearest, shownName, shownShape } from './wanted.js';
import { unmarked } from './wide-integers.js';

/** The fields that are used. */
export interface OipRequest {
  inputs: unknown[];
  outputs?: unknown;
}

/** How a request came. */
interface OipOptions {
  /** Lists may hold NaN and infinities as numbers: they come from a program, not from JSON text. */
  exact?: boolean;
  /** What follows the JSON; without it an input has its elements in `data`. */
  binary?: BinaryTensors;
  /** Its text went through `quoteWideIntegers`. */
  wide?: boolean;
}

/** True for `{inputs: [{name, ...}]}`, unless `inputs` is an input of the model that contains numbers. */
export function isOipRequest(value: unknown, signature: ModelSignature): value is OipRequest {
  if (!isFields(value) || !Object.hasOwn(value, 'inputs') || !Array.isArray(value.inputs)) return false;
  return isFields(value.inputs[0]) || signature.inputs.every((input) => input.name !== 'inputs');
}

/**
 * The payload of an Open Inference Protocol request in JSON form: per input, `shape` including the model's
 * batch axis, wherever that is, and `data`, flat in row-major order or nested. The result has rows first.
 * `outputs` names the outputs for the result; all of them when absent. `id` and `parameters` are ignored.
 * @throws InferError INPUT_OIP, INPUT_SHAPE, INPUT_NAMES, ... (exit 65) naming `inputs[i]` or `outputs[i]`.
 */
export function payloadFromOip(
  request: OipRequest,
  signature: ModelSignature,
  options: OipOptions = {},
): Payload {
  const given = new Map<string, { tensor: RowTensor; rows: number | undefined; where: string }>();
  request.inputs.forEach((entry, index) => {
    const where = `inputs[${index}]`;
    const input = inputNamed(entry, signature, where);
    if (given.has(input.name)) {
      throw badInput('INPUT_NAMES', `'${input.name}' appears twice`, {
        where,
        hint: 'give every input once',
      });
    }
    given.set(input.name, { ...readTensor(entry as Entry, input, signature, options, where), where });
  });
  options.binary?.end();
  let rows: number | undefined;
  const read = signature.inputs.map((input) => {
    const found = given.get(input.name);
    if (found === undefined && input.default !== undefined) return undefined;
    if (found === undefined) {
      throw badInput(
        'INPUT_NAMES',
        `no '${input.name}' found; model ${signature.name} takes ${inputNames(signature)}`,
        {
          where: 'inputs',
          hint: `add {"name": "${input.name}", "shape": [...], "datatype": "${OIP_NAMES[input.type]}", "data": [...]}`,
        },
      );
    }
    if (found.rows !== undefined) {
      rows ??= found.rows;
      if (found.rows !== rows) {
        throw badInput(
          'INPUT_SHAPE',
          `'${input.name}' holds ${found.rows} rows, the inputs before it ${rows}`,
          {
            where: found.where,
            hint: 'give all inputs the same size along the batch axis',
          },
        );
      }
    }
    return found.tensor;
  });
  const tensors = read.map(
    (tensor, index) => tensor ?? defaultTensor(signature.inputs[index] as TensorSignature, rows ?? 1),
  );
  const wanted = wantedOutputs(request.outputs, signature);
  return { rows: rows ?? 1, tensors, ...(wanted === undefined ? {} : { wanted }) };
}

/** Names of the requested outputs, each once; undefined for all. */
function wantedOutputs(given: unknown, signature: ModelSignature): string[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given)) {
    throw badInput('INPUT_OIP', `${describe(given)} found where a list of outputs is expected`, {
      where: 'outputs',
      hint: 'write "outputs": [{"name": ...}], or leave it out for all outputs',
    });
  }
  const names = given.map((entry: unknown, index) => outputNamed(entry, signature, `outputs[${index}]`).name);
  return names.length === 0 ? undefined : [...new Set(names)];
}

/** The output that an entry of `outputs` names. @throws InferError INPUT_OIP, INPUT_NAMES. */
export function outputNamed(entry: unknown, signature: ModelSignature, where: string): TensorSignature {
  if (!isFields(entry) || typeof entry.name !== 'string') {
    throw badInput('INPUT_OIP', `${isFields(entry) ? 'an object without a name' : describe(entry)} found`, {
      where,
      hint: 'write {"name": ...}',
    });
  }
  const { name } = entry;
  const { outputs, choices = outputs } = signature;
  const output = [...outputs, ...choices].find((one) => one.name === name);
  if (output !== undefined) return output;
  const known = [...new Set([...outputs, ...choices].map((one) => one.name))];
  const near = nearest(name, known);
  const list = known.map((one) => `'${one}'`).join(', ');
  throw badInput(
    'INPUT_NAMES',
    `'${shownName(name)}' is not an output of model ${signature.name}; it gives ${list}`,
    { where, hint: near === undefined ? 'remove that output' : `did you mean '${near}'?` },
  );
}

interface Entry {
  name: string;
  shape?: unknown;
  datatype?: unknown;
  parameters?: unknown;
  data?: unknown;
}

function inputNamed(entry: unknown, signature: ModelSignature, where: string): TensorSignature {
  if (!isFields(entry) || typeof entry.name !== 'string') {
    throw badInput('INPUT_OIP', `${isFields(entry) ? 'an object without a name' : describe(entry)} found`, {
      where,
      hint: 'write {"name": ..., "shape": [...], "datatype": ..., "data": [...]}',
    });
  }
  const name = entry.name;
  const input = signature.inputs.find((candidate) => candidate.name === name);
  if (input !== undefined) return input;
  const near = nearest(
    name,
    signature.inputs.map((candidate) => candidate.name),
  );
  throw badInput(
    'INPUT_NAMES',
    `'${shownName(name)}' is not an input of model ${signature.name}; it takes ${inputNames(signature)}`,
    {
      where,
      hint: near === undefined ? 'remove that input' : `did you mean '${near}'?`,
    },
  );
}

function readTensor(
  entry: Entry,
  input: TensorSignature,
  signature: ModelSignature,
  { exact, binary, wide }: OipOptions,
  where: string,
): { tensor: RowTensor; rows: number | undefined } {
  const { type } = input;
  if (typeof entry.datatype !== 'string' || fromOipName(entry.datatype) !== type) {
    const found =
      typeof entry.datatype === 'string' ? `datatype ${shownName(entry.datatype)}` : 'no datatype';
    throw badInput(
      'INPUT_OIP',
      `${found} found; ${inputOf(input, signature.name)} takes ${OIP_NAMES[type]}`,
      {
        where,
        hint: `write "datatype": "${OIP_NAMES[type]}"`,
      },
    );
  }
  // A model that does not batch has no batch axis, but its one row is not shared between rows.
  const axis = input.shared ? null : (input.batchAxis ?? (signature.batchable ? 0 : null));
  const whole = axis === null && !input.shared;
  const natural = whole ? naturalRows(entry.shape, input) : undefined;
  const shape = natural?.shape ?? readShape(entry.shape, input, axis, signature.name, where);
  const rowShape = natural?.rowShape ?? (axis === null ? shape : shape.filter((_, index) => index !== axis));
  const rows = natural?.rows ?? (whole ? 1 : axis === null ? undefined : (shape[axis] as number));
  const marks = { ...(input.shared ? { shared: true } : {}), ...imageRole(input) };
  const base = { name: input.name, type, shape: rowShape, ...marks };
  const raw = binary?.of(entry, input.name, where);
  if (raw !== undefined) {
    const given = { input, model: signature.name, shape, axis, rows: rows ?? 1, where };
    return { tensor: { ...base, data: rowBytes(raw, given) }, rows };
  }
  if (binary !== undefined && type === 'float16') throw halfAsJson(input.name, where);
  const listed = readData(entry.data, shape, input, signature.name, where);
  const elements = wide ? unmarked(listed, isWide(type)) : listed;
  if (input.role === 'image')
    return { tensor: { ...base, data: imagesOf(elements, input, signature.name, where) }, rows };
  if (type === 'string') {
    const refused = firstBadText(elements);
    if (refused >= 0) throw elementError(elements[refused], refused, input, signature.name, where);
    const texts = Array.from(elements as ArrayLike<string>);
    return {
      tensor: {
        ...base,
        data: encodeStrings(axis ? rowsFirst(texts, shape, axis, new Array<string>(texts.length)) : texts),
      },
      rows,
    };
  }
  const codec = CODECS[type];
  let values = codec.allocate(elements.length);
  const refused = writeElements(codec, type, values, 0, elements, exact);
  if (refused >= 0) throw elementError(elements[refused], refused, input, signature.name, where);
  if (axis)
    values = rowsFirst(
      values as Float32Array,
      shape,
      axis,
      codec.allocate(values.length) as Float32Array,
    ) as NumericArray;
  return { tensor: { ...base, data: new Uint8Array(values.buffer, 0, values.byteLength) }, rows };
}

/** Whether a type has integers that a number does not hold exactly. */
export function isWide(type: DataType): boolean {
  return type === 'int64' || type === 'uint64';
}

/** Elements of a tensor batched along `axis`, reordered so that row 0's come first. */
function rowsFirst<T extends { [index: number]: unknown }>(
  source: T,
  shape: readonly number[],
  axis: number,
  target: T,
): T {
  const rows = shape[axis] as number;
  const outer = elementCount(shape.slice(0, axis));
  const inner = elementCount(shape.slice(axis + 1));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < outer; block++) {
      const from = (block * rows + row) * inner;
      for (let i = 0; i < inner; i++) target[at++] = source[from + i];
    }
  }
  return target;
}

/**
 * Rows for a model that takes one per run, exported with a batch of exactly 1 (`[1, C, H, W]`): `[C, H, W]`,
 * `[N, C, H, W]` or `[N, 1, C, H, W]`. Undefined for anything else.
 */
function naturalRows(
  given: unknown,
  input: TensorSignature,
): { shape: number[]; rowShape: number[]; rows: number } | undefined {
  if (input.shape[0] !== 1 || input.shape.length < 2 || !isShape(given) || given.includes(0))
    return undefined;
  const { length } = input.shape;
  if (given.length < length - 1 || given.length > length + 1) return undefined;
  const kind = arrange(given, input.shape);
  const rowShape = kind && asRow(kind === 'one' ? given : given.slice(1), input.shape);
  return rowShape && { shape: given, rowShape, rows: kind === 'one' ? 1 : (given[0] as number) };
}

function isShape(given: unknown): given is number[] {
  return Array.isArray(given) && given.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
}

function readShape(
  given: unknown,
  input: TensorSignature,
  axis: number | null,
  model: string,
  where: string,
): number[] {
  const wanted: (number | null)[] = [...input.shape];
  if (axis !== null) wanted.splice(axis, 0, null);
  const words = `[${wanted.map((dim, index) => (index === axis ? 'rows' : (dim ?? '?'))).join(', ')}]`;
  const shape = isShape(given) ? given : undefined;
  if (shape?.includes(0)) {
    throw badInput(
      'INPUT_EMPTY',
      `the shape [${shownShape(shape)}] holds no elements; ${inputOf(input, model)} takes ${words}`,
      {
        where,
        hint: 'give one row or more',
      },
    );
  }
  const fits =
    shape?.length === wanted.length && wanted.every((dim, index) => dim === null || dim === shape[index]);
  if (shape === undefined || !fits) {
    const found = shape === undefined ? 'no shape of whole numbers' : `shape [${shownShape(shape)}]`;
    throw badInput('INPUT_SHAPE', `${found} found; ${inputOf(input, model)} takes ${words}`, {
      where,
      hint:
        axis !== null && shape?.length === input.shape.length
          ? `the shape counts the rows too: ${words}`
          : `write "shape": ${words}`,
    });
  }
  return shape;
}

function readData(
  data: unknown,
  shape: readonly number[],
  input: TensorSignature,
  model: string,
  where: string,
): ArrayLike<unknown> {
  const count = elementCount(shape);
  if (!isList(data)) {
    throw badInput(
      'INPUT_OIP',
      `${data === undefined ? 'no data' : `data that is ${describe(data)}`} found; ${inputOf(input, model)} takes a list of ${count}`,
      {
        where,
        hint: 'write "data": [...], flat in row-major order or nested like the shape',
      },
    );
  }
  const dims = measure(data);
  if (dims.length === 1 && dims[0] === count) return data;
  const same = dims.length === shape.length && dims.every((dim, axis) => dim === shape[axis]);
  const flat = same ? flatElements(data, dims) : undefined;
  if (flat !== undefined) return flat;
  const found = same ? 'ragged data' : `data of ${describe(data)}`;
  throw badInput(
    same ? 'INPUT_RAGGED' : 'INPUT_SHAPE',
    `${found} found; its shape [${shape.join(', ')}] needs ${count} elements, flat or nested alike`,
    {
      where,
      hint: `make shape and data of '${input.name}' agree`,
    },
  );
}
