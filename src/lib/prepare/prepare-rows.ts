import { InferError, messageOf } from '../core/errors.js';
import { toHalf } from '../model/elements.js';
import type { RowFailure } from '../model/row-failure.js';
import { elementCount, type RowTensor, rowOffsets } from '../model/tensor.js';
import { imageElements } from '../task/image-plan.js';
import type { PreparePlan } from '../task/prepare-plan.js';
import { decodeImage } from './decode-image.js';

/** Rows of a model's input made of raw ones; a failed row is all zeros, and not to be run. */
export interface PreparedRows {
  tensor: RowTensor;
  failed: RowFailure[];
}

/**
 * Prepares every row of a raw tensor; a row that cannot be prepared fails alone. One after another: they are decoded in
 * several processes at once, and each holds one image.
 */
export async function prepareRows(plan: PreparePlan, raw: RowTensor, rows: number): Promise<PreparedRows> {
  const { input: name, type, shape } = plan;
  const size = elementCount(shape);
  const ends = rowOffsets(raw, rows);
  const data = allocated(type, size * rows);
  const failed: RowFailure[] = [];
  for (let row = 0; row < rows; row++) {
    try {
      // Behind the length of the element.
      const bytes = raw.data.subarray((ends[row] as number) + 4, ends[row + 1]);
      write(data, row * size, imageElements(await decodeImage(bytes), plan.image), type);
    } catch (error) {
      failed.push({ row, error: asRowError(error) });
    }
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { tensor: { name, type, shape: [...shape], data: bytes }, failed };
}

type Elements = Float32Array | Uint16Array | Uint8Array;

function allocated(type: PreparePlan['type'], count: number): Elements {
  if (type === 'float32') return new Float32Array(count);
  return type === 'float16' ? new Uint16Array(count) : new Uint8Array(count);
}

function write(into: Elements, at: number, elements: Float32Array, type: PreparePlan['type']): void {
  if (type === 'float32') {
    into.set(elements, at);
    return;
  }
  const convert =
    type === 'float16' ? toHalf : (value: number) => Math.min(255, Math.max(0, Math.round(value)));
  for (let i = 0; i < elements.length; i++) into[at + i] = convert(elements[i] as number);
}

function asRowError(error: unknown): InferError {
  if (error instanceof InferError) return error;
  return new InferError('PREPARE_FAILED', `the row cannot be prepared: ${messageOf(error)}`, {
    cause: error,
  });
}
