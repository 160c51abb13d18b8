import { elementCount } from './tensor.js';

/** The shape of a JavaScript value, and whether that is a row: for submitters and handlers alike. */

type Dims = readonly (number | null)[];

export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/**
 * Lengths along the first element of each level: `[8, 8]` for 8 lists of 8. Does not detect raggedness; stops
 * at `limit`.
 */
export function measure(value: unknown, limit = 255): number[] {
  const dims: number[] = [];
  let at = value;
  while (isList(at) && dims.length <= limit) {
    dims.push(at.length);
    at = at[0];
  }
  return dims;
}

/** The element count of a row, or undefined when a dimension may vary. */
export function fixedCount(shape: Dims): number | undefined {
  return shape.includes(null) ? undefined : elementCount(shape as number[]);
}

function matches(dims: readonly number[], shape: Dims): boolean {
  return (
    dims.length === shape.length &&
    dims.every((dim, axis) => dim > 0 && (shape[axis] === null || shape[axis] === dim))
  );
}

/**
 * The row shape of a value of shape `dims` as one row: the exact shape, the shape without a leading 1, a flat
 * list with as many elements, or a bare value if a row is one element. Undefined when it is not one row.
 */
export function asRow(dims: readonly number[], shape: Dims): number[] | undefined {
  if (matches(dims, shape)) return [...dims];
  // A model exported with a batch of exactly 1 has rows of shape [1, C, H, W], which callers have as [C, H,
  // W].
  if (shape[0] === 1 && dims.length > 0 && matches(dims, shape.slice(1))) return [1, ...dims];
  const count = fixedCount(shape);
  if (count === undefined || count === 0) return undefined;
  const flat = dims.length === 1 && dims[0] === count;
  return flat || (dims.length === 0 && count === 1) ? (shape as number[]) : undefined;
}

/** The shape decides: one row is tried first, then several rows along the first dimension. */
export function arrange(dims: readonly number[], shape: Dims): 'one' | 'many' | undefined {
  if (asRow(dims, shape) !== undefined) return 'one';
  return dims.length > 0 && asRow(dims.slice(1), shape) !== undefined ? 'many' : undefined;
}

/** Copies a nested list of exactly `shape` into `target`; false when it is ragged. */
function flatten(value: unknown, shape: readonly number[], axis: number, target: unknown[]): boolean {
  if (axis === shape.length) {
    if (isList(value)) return false;
    target.push(value);
    return true;
  }
  if (!isList(value) || value.length !== shape[axis]) return false;
  for (let i = 0; i < value.length; i++) if (!flatten(value[i], shape, axis + 1, target)) return false;
  return true;
}

/**
 * The elements of a value of shape `dims` in row-major order, not copied if it is flat. Undefined when it is
 * ragged.
 */
export function flatElements(value: unknown, dims: readonly number[]): ArrayLike<unknown> | undefined {
  if (dims.length === 0) return [value];
  if (dims.length === 1)
    return (value as ArrayLike<unknown>).length === dims[0] ? (value as ArrayLike<unknown>) : undefined;
  const elements: unknown[] = [];
  return flatten(value, dims, 0, elements) ? elements : undefined;
}
