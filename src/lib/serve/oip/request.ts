import { badInput, InferError } from '../../core/errors.js';
import { parseDocument } from '../../input/json-document.js';
import { isWide, type OipRequest, payloadFromOip } from '../../input/oip.js';
import { BinaryTensors } from '../../input/oip-binary.js';
import { inputNames, isFields } from '../../input/wanted.js';
import { unmarkedValue } from '../../input/wide-integers.js';
import { type ModelSignature, type TensorSignature, takesJson } from '../../model/signature.js';
import { decodeStrings, ELEMENT_BYTES, elementCount, OIP_NAMES, type Payload } from '../../model/tensor.js';
import { describe } from '../../model/value-words.js';
import { JSON_LIMITS } from '../http/body.js';
import { type OutputWish, readWishes, storedOutputs } from './outputs.js';
import { type RequestParameters, readParameters, refuseSharedMemory } from './parameters.js';

/** An inference request, checked against a model. */
export interface InferRequest extends RequestParameters {
  /** The caller's id of the request, which is returned in the response. */
  id: string | undefined;
  payload: Payload;
  wishes: OutputWish[];
}

/** Longest valid number; the header cannot be larger. */
const HEADER_LENGTH = /^\d{1,15}$/;

/**
 * The value of `Inference-Header-Content-Length`: bytes of JSON before the binary tensors; undefined if there
 * are none.
 * @throws InferError INPUT_OIP if it is not a number, or larger than the body.
 */
export function jsonLength(
  header: string | readonly string[] | undefined,
  bytes: number,
): number | undefined {
  if (header === undefined) return undefined;
  const length = typeof header === 'string' && HEADER_LENGTH.test(header) ? Number(header) : Number.NaN;
  if (length <= bytes) return length;
  const shown = Number.isNaN(length) ? 'something else' : length;
  throw badInput('INPUT_OIP', `inference header size should be in range (0, ${bytes}), got: ${shown}`, {
    hint: 'Inference-Header-Content-Length is the number of bytes of JSON, or 0 if the whole body is one tensor',
  });
}

/**
 * A request from the bytes of its body, decompressed. Binary tensors share memory with it.
 * @param length of its JSON, as `jsonLength` has it; 0: the body is the one input of the model.
 * @param isAsync it is answered with a job
 * @throws InferError INPUT_… and PARAMETER.
 */
export function readInferRequest(
  body: Buffer,
  length: number | undefined,
  signature: ModelSignature,
  isAsync = false,
): InferRequest {
  if (length === 0) return rawRequest(body, signature);
  const end = length ?? body.length;
  if (end === 0) throw badInput('INPUT_OIP', 'the request has no body', { hint: EXAMPLE });
  const wide = signature.inputs.some(({ type }) => isWide(type));
  const parsed = parseDocument(body.subarray(0, end), JSON_LIMITS, wide);
  const document = wide ? withNumbers(parsed) : parsed;
  if (!isFields(document) || !Array.isArray(document.inputs)) {
    const found = isFields(document) ? 'an object without a list of inputs' : describe(document);
    throw badInput('INPUT_OIP', `${found} found; a request has the inputs ${inputNames(signature)}`, {
      hint: EXAMPLE,
    });
  }
  const { id } = document;
  if (id !== undefined && typeof id !== 'string')
    throw new InferError('PARAMETER', `id: ${describe(id)} found, not text`);
  const parameters = readParameters(document.parameters);
  const wishes = readWishes(document.outputs, parameters.binaryOutput, signature, isAsync);
  for (const [index, entry] of document.inputs.entries()) {
    if (!isFields(entry) || !isFields(entry.parameters)) continue;
    refuseSharedMemory(entry.parameters, `inputs[${index}].parameters`);
  }
  const binary = new BinaryTensors(body.subarray(end), signature.name);
  const options = { binary, wide };
  // The requested outputs are parsed here; which outputs are stored is a separate list.
  const request: OipRequest = { inputs: document.inputs };
  const payload = checkRows(payloadFromOip(request, signature, options), signature);
  const stored = storedOutputs(wishes, signature);
  // The JSON has been parsed: the job's own header overwrites it.
  const spare = end < body.length ? { spare: body.subarray(0, end) } : {};
  return {
    ...parameters,
    id,
    wishes,
    payload: { ...payload, ...stored, ...spare },
  };
}

/** A request whose long integers are marked strings, with numbers instead except in the data of its inputs. */
function withNumbers(document: unknown): unknown {
  if (!isFields(document) || !Array.isArray(document.inputs)) return unmarkedValue(document);
  const { inputs, ...others } = document;
  const read = (inputs as unknown[]).map((entry) => {
    if (!isFields(entry) || !Object.hasOwn(entry, 'data')) return unmarkedValue(entry);
    const { data, ...rest } = entry;
    return { ...(unmarkedValue(rest) as object), data };
  });
  return { ...(unmarkedValue(others) as object), inputs: read };
}

const EXAMPLE = 'send {"inputs": [{"name": ..., "shape": [...], "datatype": ..., "data": [...]}]}';

/** Rows for a handler are JSON, one text each; an invalid one would otherwise fail only in the worker. */
function checkRows(payload: Payload, signature: ModelSignature): Payload {
  const [first] = payload.tensors;
  if (!takesJson(signature) || first === undefined) return payload;
  for (const [index, text] of decodeStrings(first.data).entries()) {
    try {
      parseDocument(Buffer.from(text), JSON_LIMITS);
    } catch (error) {
      const { code, message } = error as InferError;
      throw new InferError(code, `row ${index + 1}: ${message}`, {
        hint: `each element of '${first.name}' is the JSON text of one row`,
      });
    }
  }
  return payload;
}

/**
 * A body that consists only of the elements of the one input: one row, of a shape with at most one variable
 * dimension.
 */
function rawRequest(body: Buffer, signature: ModelSignature): InferRequest {
  const { inputs, name } = signature;
  const [input] = inputs;
  const refusal = (why: string) =>
    badInput('INPUT_OIP', `model '${name}' does not accept raw binary requests: ${why}`, {
      hint: 'send JSON, with Inference-Header-Content-Length if binary data follows it',
    });
  if (input === undefined || inputs.length !== 1) throw refusal(`it has ${inputs.length} inputs`);
  const shape = rawShape(input, body, refusal);
  const text = input.type === 'string';
  const data = text ? Buffer.concat([lengthOf(body), body]) : body;
  const entry = {
    name: input.name,
    datatype: OIP_NAMES[input.type],
    shape: withRow(shape, input, signature),
    parameters: { binary_data_size: data.length },
  };
  const binary = new BinaryTensors(data, name);
  const payload = checkRows(payloadFromOip({ inputs: [entry] }, signature, { binary }), signature);
  const parameters = { ...readParameters(undefined), binaryOutput: true };
  return { ...parameters, id: undefined, payload, wishes: readWishes(undefined, true, signature) };
}

function rawShape(input: TensorSignature, body: Buffer, refusal: (why: string) => InferError): number[] {
  const { shape, type } = input;
  if (type === 'string') {
    if (shape.every((dim) => dim === 1)) return shape as number[];
    throw refusal(`its input '${input.name}' holds several texts`);
  }
  const open = shape.filter((dim) => dim === null).length;
  if (open > 1) throw refusal(`its input '${input.name}' has ${open} open dimensions`);
  const step = elementCount(shape.map((dim) => dim ?? 1)) * ELEMENT_BYTES[type];
  const rest = body.length / step;
  if (open === 1 && !Number.isInteger(rest)) {
    throw badInput(
      'INPUT_OIP',
      `input byte size mismatch for input '${input.name}': ${body.length} bytes are not a multiple of ${step}`,
      { hint: 'send the elements of one row: little endian, row major, no padding' },
    );
  }
  return shape.map((dim) => dim ?? rest);
}

/** The shape of one row as the shape of a request. */
function withRow(shape: readonly number[], input: TensorSignature, { batchable }: ModelSignature): number[] {
  const axis = input.shared ? null : (input.batchAxis ?? (batchable ? 0 : null));
  return axis === null ? [...shape] : [...shape.slice(0, axis), 1, ...shape.slice(axis)];
}

function lengthOf(text: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(text.length);
  return length;
}
