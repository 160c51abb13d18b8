import { isUtf8 } from 'node:buffer';
import { badInput, type InferError } from '../core/errors.js';
import { fromModel, toElements } from '../model/layout.js';
import type { TensorSignature } from '../model/signature.js';
import { ELEMENT_BYTES, elementCount } from '../model/tensor.js';
import { elementError } from './element-error.js';
import { shownName } from './wanted.js';

/** Bytes that follow the JSON of a request: its binary tensors, in the order of its inputs. */
export class BinaryTensors {
  private at = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly model: string,
  ) {}

  /**
   * The bytes of an input, uncopied; undefined where its elements are in the JSON.
   * @throws InferError INPUT_OIP when the size is none, or there are not as many bytes left.
   */
  of({ parameters, data }: BinaryEntry, name: string, where: string): Buffer | undefined {
    const size = sizeOf(parameters);
    if (size === undefined) return undefined;
    if (!Number.isSafeInteger(size) || (size as number) < 0) {
      throw badInput('INPUT_OIP', `the binary_data_size of '${shownName(name)}' is no count of bytes`, {
        where,
        hint: 'write "parameters": {"binary_data_size": N}, N being the bytes of this tensor',
      });
    }
    if (data !== undefined) {
      throw badInput('INPUT_OIP', `'${shownName(name)}' has both data and a binary_data_size`, {
        where,
        hint: 'send the elements in one of the two ways',
      });
    }
    const end = this.at + (size as number);
    if (end > this.bytes.length) {
      throw badInput(
        'INPUT_OIP',
        `input '${shownName(name)}' of model '${this.model}' has ${size} bytes by its binary_data_size, but ${this.bytes.length - this.at} are left behind the JSON`,
        {
          where,
          hint: 'send the bytes of all binary inputs behind the JSON, and its length as the header Inference-Header-Content-Length',
        },
      );
    }
    const found = this.bytes.subarray(this.at, end);
    this.at = end;
    return found;
  }

  /** @throws InferError INPUT_OIP when bytes are left that belong to no input. */
  end(): void {
    const left = this.bytes.length - this.at;
    if (left === 0) return;
    throw badInput('INPUT_OIP', `unexpected additional input data for model '${this.model}': ${left} bytes`, {
      hint: 'the sizes of all binary inputs together are the bytes behind the JSON',
    });
  }
}

/** What of an input of a request says where its elements are. */
interface BinaryEntry {
  parameters?: unknown;
  data?: unknown;
}

function sizeOf(parameters: unknown): unknown {
  if (typeof parameters !== 'object' || parameters === null) return undefined;
  return (parameters as Record<string, unknown>).binary_data_size;
}

/** A binary tensor in the model's own layout. */
interface BinaryTensor {
  input: TensorSignature;
  model: string;
  shape: number[];
  /** The axis that rows run along, and how many there are; null where none does. */
  axis: number | null;
  rows: number;
  where: string;
}

/**
 * The bytes of a binary tensor with its rows first, uncopied where they are so already. NaN and infinities are taken: bytes
 * have no other way to say them.
 * @throws InferError INPUT_OIP for another number of bytes, INPUT_VALUE for a bool of 2, text that is no UTF-8 or holds NUL.
 */
export function rowBytes(raw: Buffer, tensor: BinaryTensor): Uint8Array {
  const { input, shape, axis, rows } = tensor;
  if (input.type === 'string') checkTexts(raw, tensor);
  else checkNumbers(raw, tensor);
  if (axis === null || axis === 0) return raw;
  const { name, type } = input;
  return fromModel(name, { type, dims: shape, data: toElements(type, raw) }, rows, axis).data;
}

function checkNumbers(raw: Buffer, { input, model, shape, where }: BinaryTensor): void {
  const expected = elementCount(shape) * ELEMENT_BYTES[input.type];
  if (raw.length !== expected) {
    throw badInput(
      'INPUT_OIP',
      `input byte size mismatch for input '${input.name}' for model '${model}'. Expected ${expected}, got ${raw.length}`,
      { where, hint: 'shape, datatype and bytes have to agree: little endian, row major, no padding' },
    );
  }
  if (input.type !== 'bool') return;
  const refused = raw.findIndex((byte) => byte > 1);
  if (refused >= 0) throw elementError(raw[refused], refused, input, model, where);
}

/** Walks all texts, each behind its length: none is decoded. */
function checkTexts(raw: Buffer, { input, model, shape, where }: BinaryTensor): void {
  const count = elementCount(shape);
  let at = 0;
  for (let element = 0; element < count; element++) {
    const start = at + 4;
    const end = start > raw.length ? Number.POSITIVE_INFINITY : start + raw.readUInt32LE(at);
    if (end > raw.length)
      throw wrongTexts(`it ends in element ${element + 1} of ${count}`, input, model, where);
    const text = raw.subarray(start, end);
    at = end;
    // A file: the worker decodes it.
    if (input.role === 'image') continue;
    if (text.includes(0)) throw elementError('\0', element, input, model, where);
    if (!isUtf8(text)) {
      throw badInput(
        'INPUT_VALUE',
        `element ${element + 1} is not valid UTF-8; input '${input.name}' of model ${model} takes text`,
        { where, hint: 'encode it as UTF-8: ONNX Runtime would replace other bytes' },
      );
    }
  }
  if (at < raw.length)
    throw wrongTexts(`${raw.length - at} bytes follow its ${count} elements`, input, model, where);
}

function wrongTexts(what: string, input: TensorSignature, model: string, where: string): InferError {
  return badInput(
    'INPUT_OIP',
    `the BYTES of input '${input.name}' of model '${model}' are not whole: ${what}`,
    {
      where,
      hint: 'write each element as its length, uint32 little endian, and its bytes',
    },
  );
}

/** The refusal of float16 as JSON, which the protocol does not have. */
export function halfAsJson(name: string, where: string): InferError {
  return badInput(
    'INPUT_OIP',
    `receiving FP16 data via JSON is not supported. Please use the binary data format for input '${name}'`,
    { where, hint: 'send its elements behind the JSON, with "parameters": {"binary_data_size": ...}' },
  );
}
