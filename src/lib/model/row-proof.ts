import type { OutputDifference } from './batching.js';
import { differenceOf, isBeyond, mayBeNoise, rowOf } from './compare-rows.js';
import type { HostTensor } from './layout.js';
import { isFloat } from './tensor.js';

export type Outputs = Readonly<Record<string, HostTensor>>;

/** Batch axis of each output by name; null = shared by all rows. */
export type OutputAxes = ReadonlyMap<string, number | null>;

export interface Evidence {
  axes: OutputAxes;
  /** The row alone. */
  alone: Outputs;
  /** The row at position `at` of a run with others. */
  together: Outputs;
  at: number;
  /** The row alone once more. */
  again(): Promise<Outputs>;
  /** The row at the same position of a run of the same size, among other rows. */
  amongOthers(): Promise<Outputs>;
}

/** `tie`: integers differed only because of the number of rows, as an argmax of equal scores does. */
export type Proof =
  | { verdict: 'independent' }
  | { verdict: 'tie' | 'mixes' | 'unsteady'; found: OutputDifference };

/**
 * Determines whether a row's outputs depend on the other rows of its run. Equal within tolerance alone and
 * together: they do not. Otherwise the row is run twice more. First alone: a model whose answer changes each
 * time proves nothing. Then in the same position among the same number of other rows: kernels then sum in the
 * same order, so a row that still differs is proven to depend on its neighbours, and one that does not
 * differed by rounding, if only slightly.
 */
export async function proveRow(evidence: Evidence): Promise<Proof> {
  const { axes, alone, together, at } = evidence;
  const compare = (name: string, a: Outputs, aAt: number, b: Outputs, bAt: number) => {
    const axis = axes.get(name) ?? null;
    const [x, y] = [a[name] as HostTensor, b[name] as HostTensor];
    return differenceOf(name, x.type, rowOf(x, axis, aAt), rowOf(y, axis, bAt));
  };
  const suspects = [...axes.keys()]
    .map((name) => compare(name, alone, 0, together, at))
    .filter((difference) => isBeyond(difference));
  if (suspects.length === 0) return { verdict: 'independent' };
  const again = await evidence.again();
  const steady = suspects.filter(({ output }) => !isBeyond(compare(output, alone, 0, again, 0)));
  if (steady.length === 0) {
    const [{ output }] = suspects as [OutputDifference];
    return { verdict: 'unsteady', found: compare(output, alone, 0, again, 0) };
  }
  const others = await evidence.amongOthers();
  for (const found of steady) {
    const { type } = alone[found.output] as HostTensor;
    if (isBeyond(compare(found.output, together, at, others, at)) || !mayBeNoise(type, found))
      return { verdict: 'mixes', found };
  }
  const tie = steady.find(({ output }) => isExact(alone, output));
  return tie === undefined ? { verdict: 'independent' } : { verdict: 'tie', found: tie };
}

function isExact(outputs: Outputs, name: string): boolean {
  return !isFloat((outputs[name] as HostTensor).type);
}
