import { z } from 'zod';
import type { ModelSignature, TensorSignature } from '../../model/signature.js';
import { type DataType, OIP_NAMES } from '../../model/tensor.js';
import { MOST_ROWS } from '../../worker/batch-sizes.js';
import type { KnownModel } from '../gateway/known-models.js';

const TENSOR = z.object({
  name: z.string(),
  datatype: z.string().describe('BOOL, INT64, FP32, BYTES, …'),
  shape: z.array(z.number()).describe('with the axis of rows; -1 is any length'),
});

/** `GET /v2/models/:model`. */
export const METADATA = z
  .object({
    name: z.string(),
    versions: z.array(z.string()).describe('versions that workers serve or, if none does, known versions'),
    platform: z.string(),
    inputs: z.array(TENSOR),
    outputs: z.array(TENSOR),
    properties: z.record(z.string(), z.string()).optional(),
  })
  .describe('a model')
  .meta({ id: 'ModelMetadata' });

const GPU_INDEX = /^\d{1,4}$/;
/** What Triton calls ONNX Runtime; clients compare it. */
const PLATFORM = 'onnxruntime_onnx';

/** A model as described by the protocol. */
export function metadataOf(
  signature: ModelSignature,
  versions: readonly number[],
): z.output<typeof METADATA> {
  const { name, inputs, outputs, task, batchable } = signature;
  const tensor = (one: TensorSignature) => ({
    name: one.name,
    datatype: OIP_NAMES[one.type],
    shape: wireShape(one, batchable),
  });
  return {
    name,
    versions: versions.map(String),
    platform: PLATFORM,
    inputs: inputs.map(tensor),
    outputs: outputs.map(tensor),
    properties: { task, batchable: String(batchable) },
  };
}

/** The axis of the rows; null for a tensor without one. */
export function rowAxis({ shared, batchAxis, shape }: TensorSignature, batchable: boolean): number | null {
  if (shared) return null;
  const axis = batchAxis ?? (batchable ? 0 : null);
  return axis === null ? null : Math.min(axis, shape.length);
}

/** The shape of a tensor including the rows; -1 for each variable length. */
function wireShape(tensor: TensorSignature, batchable: boolean): number[] {
  const shape = tensor.shape.map((dim) => dim ?? -1);
  const axis = rowAxis(tensor, batchable);
  if (axis !== null) shape.splice(axis, 0, -1);
  return shape;
}

/** Triton's name of a type in a model configuration. */
function configType(type: DataType): string {
  return type === 'string' ? 'TYPE_STRING' : `TYPE_${OIP_NAMES[type]}`;
}

/**
 * A model as Triton's model configuration. If `max_batch_size` is above 0, shapes leave out the rows, which
 * must then come first in every tensor. Otherwise shapes are complete and it is 0, also for a model that runs
 * one row at a time.
 */
export function configOf(signature: ModelSignature, { served, versions }: KnownModel) {
  const { name, inputs, outputs, batchable, maxBatch, labels } = signature;
  const first = [...inputs, ...outputs].every((one) => rowAxis(one, batchable) === 0);
  const whole = !first || !batchable;
  const tensor = (one: TensorSignature) => ({
    name: one.name,
    data_type: configType(one.type),
    dims: whole ? wireShape(one, batchable) : one.shape.map((dim) => dim ?? -1),
  });
  return {
    name,
    platform: PLATFORM,
    backend: 'onnxruntime',
    version_policy: { specific: { versions: [...versions] } },
    max_batch_size: whole ? 0 : (maxBatch ?? MOST_ROWS),
    input: inputs.map((one) => ({ ...tensor(one), optional: one.default !== undefined })),
    output: outputs.map((one) => ({
      ...tensor(one),
      ...(labels === undefined || one.type === 'string' ? {} : { label_filename: 'model.json' }),
    })),
    instance_group: served.map(({ worker }) => ({
      name: worker.name,
      kind: worker.gpu === null ? 'KIND_CPU' : 'KIND_GPU',
      count: worker.concurrency,
      // Triton's are numbers: one of an UUID is left out, which would keep clients from reading the rest.
      ...(worker.gpu !== null && GPU_INDEX.test(worker.gpu) ? { gpus: [Number(worker.gpu)] } : {}),
    })),
    default_model_filename: 'model.onnx',
    ...(whole ? {} : { dynamic_batching: { max_queue_delay_microseconds: windowOf(served) } }),
    // infer's ten priorities in reverse order; see docs/oip.md.
    parameters: { priority_levels: { string_value: '10' } },
  };
}

/** The longest time that a worker waits for more rows, µs. */
function windowOf(served: KnownModel['served']): number {
  return Math.round(1000 * Math.max(0, ...served.map(({ worker }) => worker.batchWindowMs)));
}
