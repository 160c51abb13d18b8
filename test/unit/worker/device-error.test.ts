import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/lib/core/error-table.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { deviceError } from '../../../src/lib/worker/device-error.js';

const failed = (message: string, code: ErrorCode = 'RUN_FAILED') =>
  new InferError(code, message, { hint: 'look at the model' });

describe('a device error', () => {
  it.each([
    'CUDA failure 2: out of memory',
    'cuDNN failure 4',
    'CUBLAS_STATUS_ALLOC_FAILED: CUBLAS failure 3',
    'HIP failure 98',
    'WebGPU validation failed',
    'Vulkan: no such queue',
    'Device lost',
    'the device was lost',
    'Out of memory while allocating 12 MB',
    'std::bad_alloc',
  ])('is recognised by its message: %s', (message) => {
    const run = failed(message);
    const device = deviceError(run);
    expect(device).toBeInstanceOf(InferError);
    expect(device).toMatchObject({ code: 'DEVICE_ERROR', message, hint: 'look at the model', cause: run });
  });

  it.each([
    'Invalid rank for input: x',
    'the shipment was lost',
    'no such file: CUDAGRAPH.onnx',
    'a WHIP of cream',
  ])('is not assumed for other messages: %s', (message) => {
    expect(deviceError(failed(message))).toBeUndefined();
  });

  it('is recognised only in a failed run, since other messages may come from the user', () => {
    expect(deviceError(failed('out of memory', 'HANDLER_FAILED'))).toBeUndefined();
    expect(deviceError(new Error('CUDA failure 2'))).toBeUndefined();
    expect(deviceError(Object.assign(new Error('CUDA failure 2'), { code: 'RUN_FAILED' }))).toBeUndefined();
    expect(deviceError(undefined)).toBeUndefined();
  });
});
