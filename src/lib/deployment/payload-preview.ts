import { formatBytes } from '../core/units.js';
import { decodeEnvelope } from '../model/envelope.js';
import { rowValues } from '../model/rows.js';
import { decodeStrings, ELEMENT_BYTES, elementCount, type RowTensor, rowOffsets } from '../model/tensor.js';
import { jobDamaged, unreadableInput } from '../queue/damage.js';
import { imageFormat } from '../task/image-formats.js';

/** The shown part of an input. */
export interface TensorPreview {
  name: string;
  type: string;
  /** The rows are the first dimension, unless it is shared by all rows. */
  shape: number[];
  bytes: number;
  /** The first values in row order; strings are truncated to 200 characters. */
  values: unknown[];
  /** Whether there are more values. */
  cut: boolean;
}

const TEXT_MAX = 200;

/**
 * The tensors of an input envelope, the first `most` values of each.
 * @throws InferError JOB_DAMAGED if it cannot be read.
 */
export function previewOf(envelope: Uint8Array, most: number): TensorPreview[] {
  const { payload } = decodeEnvelope(envelope, (why) => jobDamaged(unreadableInput(why)));
  return payload.tensors.map((tensor) => {
    const shape = tensor.shared === true ? tensor.shape : [payload.rows, ...tensor.shape];
    const count = elementCount(shape);
    return {
      name: tensor.name,
      type: tensor.type,
      shape,
      bytes: tensor.data.byteLength,
      values: firstValues(tensor, Math.min(most, count)),
      cut: count > most,
    };
  });
}

/** What kind of files they are, and how large. */
function imagesIn(tensor: RowTensor, n: number): string[] {
  const ends = rowOffsets(tensor, n);
  return Array.from({ length: n }, (_, row) => {
    const file = tensor.data.subarray((ends[row] as number) + 4, ends[row + 1]);
    return `${imageFormat(file)?.name ?? 'unknown'} image of ${formatBytes(file.byteLength)}`;
  });
}

function firstValues(tensor: RowTensor, n: number): unknown[] {
  if (n === 0) return [];
  if (tensor.role === 'image') return imagesIn(tensor, n);
  if (tensor.type === 'string') {
    return decodeStrings(tensor.data)
      .slice(0, n)
      .map((text) => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text));
  }
  const data = tensor.data.subarray(0, n * ELEMENT_BYTES[tensor.type]);
  const [row] = rowValues(
    { rows: 1, tensors: [{ name: 'values', type: tensor.type, shape: [n], data }] },
    'json',
  );
  return (row as { values: unknown[] }).values;
}
