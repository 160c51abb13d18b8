import type { OutputDifference } from './batching.js';
import { fromHalf } from './elements.js';
import { type HostTensor, type NumberArray, type TensorData, zeros } from './layout.js';
import { type DataType, elementCount } from './tensor.js';

/**
 * How far two runs of the same row may differ and count as equal. Kernels sum in a different order for a
 * different number of rows: 40 models with independent rows stayed below 2e-4, the 8 that mix rows were above
 * 1e-3. A half has 11 significant bits, so 5e-3 is five units in its last place.
 */
const TOLERANCE = { float32: 5e-4, float64: 5e-4, float16: 5e-3 } as const;
/** Share of elements of other types that may differ: in a near tie, float noise flips an argmax. */
const FLIPS = 1e-3;
/** Upper limit of noise, as a multiple of the tolerance: for half-precision layers in between. */
const NOISE_MOST = 10;
/** Values smaller than this share of the row's largest are compared as if they had that size. */
const FLOOR = 0.05;
/** Rows whose largest value is below this are compared as if it were this: what remains of x - x is noise. */
const SCALE_MIN = 1e-3;

type Floats = keyof typeof TOLERANCE;

function toleranceOf(type: DataType): number {
  return type in TOLERANCE ? TOLERANCE[type as Floats] : FLIPS;
}

/** Elements of one row of an output; all of them when `axis` is null. */
export function rowOf(tensor: HostTensor, axis: number | null, row: number): TensorData {
  if (axis === null) return tensor.data;
  const inner = elementCount(tensor.dims.slice(axis + 1));
  const outer = elementCount(tensor.dims.slice(0, axis));
  const rows = tensor.dims[axis] as number;
  const data = tensor.data as Float32Array;
  if (outer === 1) return data.slice(row * inner, (row + 1) * inner);
  const out = zeros(tensor.type, outer * inner) as Float32Array;
  for (let block = 0; block < outer; block++) {
    const from = (block * rows + row) * inner;
    for (let i = 0; i < inner; i++) out[block * inner + i] = data[from + i] as number;
  }
  return out;
}

/** How much two outputs of the same row differ; see `OutputDifference` for the unit. */
export function differenceOf(output: string, type: DataType, a: TensorData, b: TensorData): OutputDifference {
  const tolerance = toleranceOf(type);
  if (a.length !== b.length) return { output, difference: Number.POSITIVE_INFINITY, tolerance };
  const difference = type in TOLERANCE ? floatDifference(type, a, b) : flips(a, b);
  return { output, difference, tolerance };
}

export function isBeyond({ difference, tolerance }: OutputDifference): boolean {
  return difference > tolerance;
}

/** Whether rounding may be the cause, given that the other rows were shown not to be. */
export function mayBeNoise(type: DataType, { difference, tolerance }: OutputDifference): boolean {
  return !(type in TOLERANCE) || difference <= NOISE_MOST * tolerance;
}

function flips(a: TensorData, b: TensorData): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count += 1;
  return count === 0 ? 0 : count / a.length;
}

function floatDifference(type: DataType, a: TensorData, b: TensorData): number {
  const read = type === 'float16' ? (value: number) => fromHalf(value) : (value: number) => value;
  const [left, right] = [a as NumberArray, b as NumberArray];
  let scale = SCALE_MIN;
  for (let i = 0; i < left.length; i++) {
    const size = Math.abs(read(Number(left[i])));
    if (size > scale && Number.isFinite(size)) scale = size;
  }
  const floor = scale * FLOOR;
  let most = 0;
  for (let i = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue;
    const [x, y] = [read(Number(left[i])), read(Number(right[i]))];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const relative = Math.abs(x - y) / Math.max(Math.abs(x), floor);
    // Only one of them is NaN or infinite.
    if (!Number.isFinite(relative)) return Number.POSITIVE_INFINITY;
    if (relative > most) most = relative;
  }
  return most;
}
