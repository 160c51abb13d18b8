import type { TensorSignature } from '../../src/lib/model/signature.js';

/** The signature of a float32 input or output of a batched model. @param shape of a row */
export function tensorSignature(
  name: string,
  shape: (number | null)[],
  more: Partial<TensorSignature> = {},
): TensorSignature {
  return { name, type: 'float32', shape, shared: false, batchAxis: 0, modelShape: [], ...more };
}
