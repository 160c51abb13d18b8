import { InferError } from '../../core/errors.js';
import { toBytes, toModel } from '../../model/layout.js';
import type { ModelSignature } from '../../model/signature.js';
import type { DataType, Payload, RowTensor } from '../../model/tensor.js';

/**
 * A tensor of the Open Inference Protocol: the shape includes the rows; the bytes are in the model's own
 * order.
 */
export interface WireTensor {
  name: string;
  type: DataType;
  shape: number[];
  /** Little endian, row major; each text is preceded by its length as uint32. */
  data: Uint8Array;
}

/**
 * Tensors of a result in the form in which the model returned them; those whose rows come first share memory
 * with it.
 * @param signature of the model, for the axis of the rows; without it they come first.
 * @throws InferError OUTPUT_FORM when rows of a tensor differ in shape.
 */
export function wireTensors(payload: Payload, signature?: ModelSignature): WireTensor[] {
  return payload.tensors.map((tensor) => wireTensor(tensor, payload.rows, signature));
}

function wireTensor(tensor: RowTensor, rows: number, signature: ModelSignature | undefined): WireTensor {
  const { name, type, shape, data } = tensor;
  if (tensor.shapes !== undefined) {
    throw new InferError(
      'OUTPUT_FORM',
      `rows of output '${name}' differ in shape, which one tensor cannot hold`,
      { hint: 'send one row a request, or read the result of a job as JSON from /v1/jobs/ID/result' },
    );
  }
  if (tensor.shared) return { name, type, shape, data };
  const axis = rowAxis(name, shape, signature);
  if (axis === 0) return { name, type, shape: [rows, ...shape], data };
  if (axis === null) return { name, type, shape: alone(shape, rows), data };
  const { dims, data: elements } = toModel(tensor, rows, axis);
  return { name, type, shape: dims, data: toBytes(elements) };
}

/** The axis of the rows in a tensor of a result; null if the model runs one row at a time. */
function rowAxis(
  name: string,
  shape: readonly number[],
  signature: ModelSignature | undefined,
): number | null {
  const output = signature?.outputs.find((one) => one.name === name);
  if (output === undefined) return 0;
  const axis = output.batchAxis ?? (signature?.batchable ? 0 : null);
  // The classes of a classification have fewer axes than its scores.
  return axis === null ? null : Math.min(axis, shape.length);
}

/**
 * One row keeps the model's own shape; rows of a model with a batch of exactly 1 are joined along that axis.
 */
function alone(shape: readonly number[], rows: number): number[] {
  if (rows === 1) return [...shape];
  return shape[0] === 1 ? [rows, ...shape.slice(1)] : [rows, ...shape];
}
