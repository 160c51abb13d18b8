import { expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { isOwnFailure } from '../../../src/lib/worker/run-rows.js';

it.each([
  'RUNNER_DIED',
  'RUNNER_START',
  'DEVICE_ERROR',
  'MODEL_CHANGED',
  'MODEL_UNSERVED',
  'MODEL_REPLACED',
  'TIME_LIMIT',
  'SOFT_TIME_LIMIT',
  'RUN_ABORTED',
  'ROWS_MIXED',
])('%s is not the doing of a job, and says nothing of the runner', (code) => {
  expect(isOwnFailure(new InferError(code, 'x'))).toBe(false);
});

it.each([new InferError('HANDLER_FAILED', 'x'), new InferError('RUN_FAILED', 'x'), new TypeError('x')])(
  '%s is',
  (error) => {
    expect(isOwnFailure(error)).toBe(true);
  },
);
