import { badInput } from '../core/errors.js';
import { defaultTensor } from '../model/defaults.js';
import { CODECS, type NumericArray, type NumericType, writeElements } from '../model/elements.js';
import { arrange, asRow } from '../model/row-shape.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../model/signature.js';
import { ELEMENT_BYTES, elementCount, type Payload } from '../model/tensor.js';
import { wantedShape } from '../model/value-words.js';
import { type ByteReader, tooLarge } from './bytes.js';
import type { ChunkLimits } from './chunk.js';
import { elementError } from './element-error.js';
import { bareInput } from './left-out.js';
import { halvesToFloats, type NpyHeader, npyElements, npyError, readNpyHeader } from './npy-header.js';
import { inputNames, inputOf, shownShape } from './wanted.js';

export interface NpyOptions extends ChunkLimits {
  /** Maximum bytes of an array in Fortran order, which must be held completely to be reordered. */
  maxBytes: number;
}

/**
 * Rows of an `.npy` array for a model with one input: one row when the array has the row shape, else rows
 * along its first axis. Read in pieces; numbers of another type are converted and checked.
 * @throws InferError INPUT_NPY, INPUT_SHAPE, INPUT_VALUE, ... (exit 65).
 */
export async function readNpy(
  reader: ByteReader,
  signature: ModelSignature,
  options: NpyOptions,
): Promise<{ rows: number; chunks: AsyncGenerator<Payload, void, undefined> }> {
  const input = onlyInput(signature);
  const header = await readNpyHeader(reader);
  const { shape } = header;
  if (shape.includes(0)) {
    throw badInput('INPUT_EMPTY', `the array of shape (${shownShape(shape)}) holds no elements`, {
      hint: 'save one row or more',
    });
  }
  const kind = arrange(shape, input.shape);
  if (kind === undefined) {
    throw badInput(
      'INPUT_SHAPE',
      `an array of shape (${shownShape(shape)}) found; ${inputOf(input, signature.name)} takes ${wantedShape(input)} a row`,
      {
        hint: `reshape it to (rows, ${input.shape.map((dim) => dim ?? '?').join(', ')})`,
      },
    );
  }
  const rows = kind === 'one' ? 1 : (shape[0] as number);
  const rowShape = asRow(kind === 'one' ? shape : shape.slice(1), input.shape) as number[];
  return { rows, chunks: chunks(reader, header, { input, rowShape, rows, signature }, options) };
}

interface Plan {
  input: TensorSignature;
  rowShape: number[];
  rows: number;
  signature: ModelSignature;
}

function onlyInput(signature: ModelSignature): TensorSignature {
  const bare = bareInput(signature);
  const input = signature.inputs[bare ?? 0];
  if (input === undefined || bare === undefined) {
    throw npyError(
      `an .npy file holds one array; model ${signature.name} takes ${signature.inputs.length} inputs: ${inputNames(signature)}`,
      'write one object a line (NDJSON), or an Open Inference Protocol request',
    );
  }
  if (takesJson(signature))
    throw npyError(`model ${signature.name} takes JSON, not arrays`, 'write one JSON value a line (NDJSON)');
  if (input.type === 'string')
    throw npyError(
      `${inputOf(input, signature.name)} takes text, which .npy files are not read for`,
      'write one JSON string a line (NDJSON)',
    );
  return input;
}

async function* chunks(
  reader: ByteReader,
  header: NpyHeader,
  plan: Plan,
  options: NpyOptions,
): AsyncGenerator<Payload, void, undefined> {
  const type = plan.input.type as NumericType;
  const perRow = elementCount(plan.rowShape);
  const rowBytes = perRow * header.itemBytes;
  const next =
    header.fortran && header.shape.filter((dim) => dim > 1).length > 1
      ? await turned(reader, header, options)
      : reader;
  const most = Math.floor(options.chunkBytes / Math.max(1, perRow * ELEMENT_BYTES[type]));
  const step = Math.max(1, Math.min(options.chunkRows, most));
  const codec = CODECS[type];
  for (let done = 0; done < plan.rows; ) {
    const count = Math.min(step, plan.rows - done);
    const bytes = await next.exactly(count * rowBytes);
    if (bytes.length < count * rowBytes) {
      throw npyError(
        `the .npy file ends in row ${done + Math.floor(bytes.length / rowBytes) + 1} of ${plan.rows}`,
        'copy or save it again: it is cut short',
      );
    }
    const source = npyElements(bytes, header);
    const target = codec.allocate(count * perRow);
    const values = header.type === 'float16' && type !== 'float16' ? halvesToFloats(source) : source;
    const refused = writeAs(codec, type, header.type, target, values);
    if (refused >= 0) {
      const where = `row ${done + Math.floor(refused / perRow) + 1}`;
      throw elementError(
        valueAt(values, refused, header.type),
        refused % perRow,
        plan.input,
        plan.signature.name,
        where,
      );
    }
    const data = new Uint8Array(target.buffer, 0, target.byteLength);
    done += count;
    if (done === plan.rows && (await next.exactly(1)).length > 0) {
      throw npyError('the .npy file goes on after its last row', 'save it again: one array a file');
    }
    const tensor = { name: plan.input.name, type, shape: [...plan.rowShape], data };
    const tensors = plan.signature.inputs.map((other) =>
      other === plan.input ? tensor : defaultTensor(other, count),
    );
    yield { rows: count, tensors };
  }
}

/** Bytes are copied only if both sides have the same type: uint16 in a file is not float16. */
function writeAs(
  codec: (typeof CODECS)['float32'],
  type: NumericType,
  from: NumericType,
  target: NumericArray,
  values: NumericArray,
): number {
  return type === from ? writeElements(codec, type, target, 0, values) : codec.write(target, 0, values);
}

function valueAt(values: NumericArray, index: number, from: NumericType): unknown {
  const value = values[index];
  // float16 of the same type is still bits here, and is only rejected for NaN or infinity.
  return from === 'float16' && values instanceof Uint16Array ? Number.NaN : value;
}

/** Makes an array in Fortran order readable like the same array in C order. */
async function turned(
  reader: ByteReader,
  header: NpyHeader,
  options: NpyOptions,
): Promise<Pick<ByteReader, 'exactly'>> {
  const { shape, itemBytes } = header;
  const count = elementCount(shape);
  if (count * itemBytes > options.maxBytes) throw tooLarge('an array in Fortran order', options.maxBytes);
  const source = await reader.exactly(count * itemBytes);
  if (source.length < count * itemBytes)
    throw npyError('the .npy file is cut short', 'copy or save it again');
  const target = Buffer.allocUnsafeSlow(source.length);
  const at = shape.map(() => 0);
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  let from = 0;
  for (let i = 0; i < count; i++) {
    source.copy(target, i * itemBytes, from * itemBytes, (from + 1) * itemBytes);
    // The last axis varies fastest in C order; when an axis is complete, the previous one advances.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = (at[axis] as number) + 1;
      from += strides[axis] as number;
      if (at[axis] !== shape[axis]) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      at[axis] = 0;
    }
  }
  let offset = 0;
  return {
    exactly: async (bytes) => {
      if (offset === target.length) return reader.exactly(bytes);
      offset += bytes;
      return target.subarray(offset - bytes, offset);
    },
  };
}
