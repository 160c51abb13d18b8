import type { Batching } from './batching.js';
import type { DefaultValue } from './default-value.js';
import { type DataType, ELEMENT_BYTES, elementCount, type Payload, type TensorRole } from './tensor.js';

/** How a model's outputs become a result. */
export type Task = 'classification' | 'embedding' | 'tensor' | 'handler';

/** One input or output as a job sees it: shape of one row, whatever axis the model batches along. */
export interface TensorSignature {
  name: string;
  type: DataType;
  /** Shape of one row; `null` is a dimension that may vary. The whole shape when `shared`. */
  shape: (number | null)[];
  /** True when the tensor has no batch axis in a model that batches. */
  shared: boolean;
  /** Set where the tensor is ours and not the model's. */
  role?: TensorRole;
  /** The model's own axis that rows run along; null when shared, or where the whole tensor is one row. */
  batchAxis: number | null;
  /** The shape the ONNX file declares, symbolic dimensions by name. */
  modelShape: (number | string)[];
  /** Of an input: what a row that leaves it out has there, one value for all elements or a list of the row's shape. */
  default?: DefaultValue;
}

/** What a worker publishes of a loaded model, and `submit` checks input against. JSON-safe. */
export interface ModelSignature {
  name: string;
  version: number;
  task: Task;
  /** Class names by index, when the manifest gives them. */
  labels?: string[];
  /** False: one row a run. Found by running rows alone and together and comparing, or declared. */
  batchable: boolean;
  /** The same with the reason; workers of older versions do not publish it. */
  batching?: Batching;
  /** Upper bound on rows a run from the manifest; absent when none was given. */
  maxBatch?: number;
  /** What `submit` must provide. A handler with `preprocess` has one string input, of role `json`. */
  inputs: TensorSignature[];
  /** What a result holds, after task or handler. */
  outputs: TensorSignature[];
  /** Row shapes, of inputs with open dimensions, that ran in the trial at load; absent when none is open or none ran. */
  trialShapes?: Record<string, number[]>;
  /** Bytes of the model file and its external data. */
  sizeBytes: number;
  /** SHA-256 over all files of the version, hex, first 16 characters: tells changed files under one version. */
  digest: string;
  /** Things a user should know, such as "batch axis could not be probed". */
  warnings: string[];
  /** Its version was asked for, so jobs run on no other; never published. */
  pinned?: boolean;
}

/**
 * Name of the single string tensor that carries JSON rows to a `preprocess` or from a `postprocess`. It is
 * there to be shown: a model may have a tensor of that name too, and `role` tells them apart.
 */
export const JSON_TENSOR = 'json';

/** Whether a model's rows are JSON values, handed to its `preprocess` as text. */
export function takesJson(signature: ModelSignature): boolean {
  return signature.inputs[0]?.role === 'json';
}

/**
 * Bytes that the result of so many rows has at the least, where the signature shows it: outputs of unknown
 * shape, text and the answers of handlers count as nothing. Pure.
 */
export function leastResultBytes(
  signature: ModelSignature,
  { rows, wanted }: Pick<Payload, 'rows' | 'wanted'>,
): number {
  if (signature.task !== 'tensor' && signature.task !== 'embedding') return 0;
  return signature.outputs
    .filter(({ name }) => wanted === undefined || wanted.includes(name))
    .reduce((sum, { type, shape, shared }) => {
      if (type === 'string' || shape.includes(null)) return sum;
      return sum + elementCount(shape as number[]) * ELEMENT_BYTES[type] * (shared ? 1 : rows);
    }, 0);
}
