import { readFileSync, readSync } from 'node:fs';
import { expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { asModelFault, isModelFault } from '../../../src/lib/model/model-faults.js';

const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

it.each([
  [
    'a file that is gone',
    () => readFileSync('/nowhere/model.onnx'),
    'MODEL_READ_FAILED',
    '/nowhere/model.onnx',
  ],
  ['a descriptor that fails', () => readSync(-1, Buffer.alloc(1)), 'MODEL_LOAD', 'fd'],
  [
    'a disk that fails',
    () => fail('EIO: i/o error, read'),
    'MODEL_READ_FAILED',
    '/models/m cannot be read: EIO',
  ],
  ['code of ours that fails', () => (undefined as unknown as string).length, 'MODEL_LOAD', 'undefined'],
  ['a run', () => new InferError('RUN_FAILED', 'bad node'), 'MODEL_LOAD', 'bad node'],
  ['bytes', () => new InferError('TENSOR_BYTES', 'too few'), 'MODEL_LOAD', 'too few'],
])('%s is a fault of the model being loaded, and others are served', (_, work, code, words) => {
  const fault = asModelFault(thrown(work), 'm', '/models/m');
  expect(fault).toMatchObject({ code, message: expect.stringContaining(words) });
  expect(fault.message).toMatch(/^model '?m'?/);
  expect(isModelFault(fault)).toBe(true);
});

it.each([
  'RUNNER_DIED',
  'ONNX_RUNTIME',
  'GPU_UNAVAILABLE',
  'MODELS_DIR',
  'MODELS_DIR_UNREADABLE',
  'MODEL_CHANGED',
  'HANDLER_LOAD',
] as const)('%s is not turned into a fault of the model', (code) => {
  const error = new InferError(code, 'x');
  expect(asModelFault(error, 'm', '/models/m')).toBe(error);
});

function fail(message: string): never {
  throw Object.assign(new Error(message), { code: 'EIO', syscall: 'read' });
}
