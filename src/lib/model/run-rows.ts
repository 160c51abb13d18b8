import { InferError } from '../core/errors.js';
import { fromModel, type HostTensor, toModel } from './layout.js';
import type { OnnxSession } from './onnx-session.js';
import type { Outputs } from './row-proof.js';
import type { TensorSignature } from './signature.js';
import type { Payload } from './tensor.js';

/**
 * Runs rows through a session: its outputs in the model's own layout.
 * @throws InferError RUN_FAILED when an input is missing or of another type, or the run fails.
 */
export async function runRows(
  session: Pick<OnnxSession, 'run'>,
  inputs: readonly TensorSignature[],
  payload: Payload,
): Promise<Outputs> {
  const feeds = Object.create(null) as Record<string, HostTensor>;
  for (const input of inputs) {
    const tensor = payload.tensors.find((one) => one.name === input.name);
    // ONNX Runtime would accept the names and types unchecked and fail far from the cause.
    if (tensor === undefined) throw new InferError('RUN_FAILED', `input ${input.name} is missing`);
    if (tensor.type !== input.type)
      throw new InferError('RUN_FAILED', `input ${input.name} is ${tensor.type}, not ${input.type}`);
    feeds[input.name] = toModel(tensor, payload.rows, input.batchAxis);
  }
  return session.run(feeds);
}

/** Converts a model's raw outputs to rows. */
export function rowsFirst(outputs: readonly TensorSignature[], raw: Outputs, rows: number): Payload {
  const tensors = outputs.map((output) => {
    const tensor = fromModel(output.name, raw[output.name] as HostTensor, rows, output.batchAxis);
    return output.shared ? { ...tensor, shared: true } : tensor;
  });
  return { rows, tensors };
}
