import { InferError } from '../../src/lib/core/errors.js';

/** The expected failure that a call throws; anything else thrown, or nothing, fails the test. */
export function thrown(call: () => unknown): InferError {
  try {
    call();
  } catch (error) {
    if (error instanceof InferError) return error;
    throw error;
  }
  throw new Error('it threw nothing');
}
