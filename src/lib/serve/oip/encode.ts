import { setImmediate as nextTurn } from 'node:timers/promises';
import { InferError } from '../../core/errors.js';
import { floatsText } from '../../model/float-text.js';
import { toElements } from '../../model/layout.js';
import { decodeStrings, OIP_NAMES } from '../../model/tensor.js';
import type { WireTensor } from './output-tensors.js';

/** A tensor of a response, and whether its bytes follow the JSON instead of being numbers in it. */
export interface AnswerTensor extends WireTensor {
  binary: boolean;
}

/** Members of a response other than its tensors, in the order in which they are written. */
interface AnswerHead {
  model_name: string;
  model_version?: string | undefined;
  /** The id of the request. */
  id?: string | undefined;
  parameters?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** Body and headers of a response. */
interface EncodedAnswer {
  contentType: 'application/json' | 'application/octet-stream';
  /** `Inference-Header-Content-Length`: bytes of the JSON, if binary tensors follow it. */
  headerLength?: number;
  /** The JSON, then the bytes of each binary tensor, not copied. */
  parts: Uint8Array[];
  /** Bytes of all parts. */
  length: number;
}

/** Elements written as text before other work gets its turn: about 20 ms. */
const ELEMENTS_A_TURN = 65_536;

/**
 * Writes tensors as a response of the Open Inference Protocol. If any tensor is binary, the body is the JSON
 * followed by the bytes of the binary tensors in the same order.
 * @throws InferError OUTPUT_FORM for float16 as JSON, which the protocol does not have.
 */
export async function encodeAnswer(
  head: AnswerHead,
  tensors: readonly AnswerTensor[],
): Promise<EncodedAnswer> {
  const outputs: string[] = [];
  for (const tensor of tensors) outputs.push(await outputJson(tensor));
  const { model_name, model_version, id, parameters } = head;
  const start = JSON.stringify({ model_name, model_version, id, parameters }).slice(0, -1);
  const json = Buffer.from(`${start},"outputs":[${outputs.join(',')}]}`, 'utf8');
  const binary = tensors.filter((tensor) => tensor.binary).map(({ data }) => data);
  if (binary.length === 0) return { contentType: 'application/json', parts: [json], length: json.length };
  const length = binary.reduce((sum, { byteLength }) => sum + byteLength, json.length);
  const parts = [json, ...binary];
  return { contentType: 'application/octet-stream', headerLength: json.length, parts, length };
}

async function outputJson(tensor: AnswerTensor): Promise<string> {
  const { name, type, shape, data, binary } = tensor;
  const fields = JSON.stringify({ name, datatype: OIP_NAMES[type], shape }).slice(0, -1);
  if (binary) return `${fields},"parameters":{"binary_data_size":${data.byteLength}}}`;
  return `${fields},"data":[${await elementsJson(tensor)}]}`;
}

/** The elements as JSON, without brackets: 64-bit integers with all digits, NaN and infinities as text. */
async function elementsJson({ name, type, data }: WireTensor): Promise<string> {
  if (type === 'string')
    return decodeStrings(data)
      .map((text) => JSON.stringify(text))
      .join(',');
  if (type === 'float16') {
    throw new InferError(
      'OUTPUT_FORM',
      `sending FP16 data via JSON is not supported: output '${name}' is FP16`,
      {
        hint: `request it as bytes: "parameters": {"binary_data": true} for output '${name}'`,
      },
    );
  }
  const elements = toElements(type, data) as ArrayLike<number | bigint> & {
    subarray(from: number, to: number): ArrayLike<number | bigint>;
  };
  const text = type === 'float64' ? floatText : type === 'bool' ? boolText : String;
  const pieces: string[] = [];
  for (let from = 0; from < elements.length; from += ELEMENTS_A_TURN) {
    if (from > 0) await nextTurn();
    const piece = elements.subarray(from, from + ELEMENTS_A_TURN);
    pieces.push(
      piece instanceof Float32Array
        ? floatsText(piece, '-0.0')
        : Array.from(piece, text as (value: number | bigint) => string).join(','),
    );
  }
  return pieces.join(',');
}

const boolText = (value: number): string => (value === 0 ? 'false' : 'true');

/** JSON has negative zero. */
const floatText = (value: number): string => {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0.0' : `${value}`;
};
