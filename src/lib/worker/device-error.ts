import { InferError } from '../core/errors.js';

/** ONNX Runtime reports errors as text only; these words mean that the device failed, not the input. */
const DEVICE_WORDS =
  /\b(?:CUDA|cuDNN|CUBLAS|HIP|WebGPU|Vulkan)\b|device (?:was )?lost|out of memory|bad_alloc/i;

/** Turns a failed run into a device failure if its words say so. */
export function deviceError(error: unknown): InferError | undefined {
  if (!(error instanceof InferError) || error.code !== 'RUN_FAILED') return undefined;
  if (!DEVICE_WORDS.test(error.message)) return undefined;
  return new InferError('DEVICE_ERROR', error.message, { hint: error.hint, cause: error });
}
