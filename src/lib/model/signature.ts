import type { Batching } from './batching.js';
import type { DefaultValue } from './default-value.js';
import type { Origin } from './derived.js';
import type { DataType, TensorRole } from './tensor.js';

/** How a model's outputs are turned into a result. */
export type Task =
  | 'classification'
  | 'embedding'
  | 'tensor'
  | 'text-classification'
  | 'image-classification'
  | 'image'
  | 'handler';

/** One input or output as a job sees it: shape of one row, whichever axis the model batches along. */
export interface TensorSignature {
  name: string;
  type: DataType;
  /** Shape of one row; `null` is a dimension that may vary. The whole shape when `shared`. */
  shape: (number | null)[];
  /** True when the tensor has no batch axis in a model that batches. */
  shared: boolean;
  /** Set when the tensor is infer's own, not the model's. */
  role?: TensorRole;
  /** The model's own axis along which rows run; null when shared, or when the whole tensor is one row. */
  batchAxis: number | null;
  /** The shape declared in the ONNX file, symbolic dimensions by name. */
  modelShape: (number | string)[];
  /**
   * For an input: the value for rows that omit it, one value for all elements or a list in the row's shape.
   */
  default?: DefaultValue;
  /** For a raw input, such as an image: bytes that a row of it takes once it is prepared for the model. */
  preparedBytes?: number;
}

/** What a worker publishes about a loaded model, and `submit` checks input against. JSON-safe. */
export interface ModelSignature {
  name: string;
  version: number;
  task: Task;
  /** Class names by index, if given in the manifest. */
  labels?: string[];
  /** False: one row per run. Found by comparing rows run alone and together, or declared. */
  batchable: boolean;
  /** The same with the reason; not published by workers of older versions. */
  batching?: Batching;
  /** Upper bound on rows per run from the manifest; absent when none was given. */
  maxBatch?: number;
  /** What `submit` must provide. A handler with `preprocess` has one string input, of role `json`. */
  inputs: TensorSignature[];
  /** What a result contains, after task or handler, if its submitter asks for nothing else. */
  outputs: TensorSignature[];
  /** The outputs that a submitter may choose from; absent if they are `outputs`. */
  choices?: TensorSignature[];
  /** How many scores of an output model.json asks for, by its name. */
  topK?: Record<string, number>;
  /** The axis of a row along which scores run, if model.json names one. */
  classAxis?: number;
  /**
   * Row shapes that ran in the trial at load, for inputs with open dimensions; absent when none is open or
   * none ran.
   */
  trialShapes?: Record<string, number[]>;
  /** Bytes of the model file and its external data. */
  sizeBytes: number;
  /**
   * SHA-256 over all files of the version, hex, first 16 characters: reveals changed files under one version.
   */
  digest: string;
  /** Where its settings come from, unless all are from model.json or from the ONNX file. */
  origins?: Origin[];
  /** What was assumed about files made for other programs, and what of them is not used. */
  notes?: string[];
  /** Things a user should know, such as "batch axis could not be probed". */
  warnings: string[];
  /** Its version was requested explicitly, so jobs run on no other; never published. */
  pinned?: boolean;
}

/**
 * Name of the single string tensor that carries JSON rows to a `preprocess` or from a `postprocess`. For
 * display only: a model may have a tensor with that name too, and `role` tells them apart.
 */
export const JSON_TENSOR = 'json';

/** Whether a model's rows are JSON values, passed to its `preprocess` as text. */
export function takesJson(signature: ModelSignature): boolean {
  return signature.inputs[0]?.role === 'json';
}

/** Whether the rows of a model are images, or contain one. */
export function takesImage(signature: ModelSignature): boolean {
  return signature.inputs.some(({ role }) => role === 'image');
}

/** Whether the rows of a model are texts that are tokenized for it, or contain one. */
export function takesText(signature: ModelSignature): boolean {
  return signature.inputs.some(({ role }) => role === 'text');
}

/** Whether a result is a class for each row, whatever the rows are. */
export function classifies({ task }: { task?: Task | undefined }): boolean {
  return task === 'classification' || task === 'text-classification' || task === 'image-classification';
}

/** Whether a result has the model's outputs as they are. */
export function givesTensors({ task }: { task?: Task | undefined }): boolean {
  return task === 'tensor' || task === 'image';
}
