import type { AxisPlan } from './axis-plans.js';
import type { TensorMeta } from './probe-target.js';

/** Shapes of one row by input, every dimension filled in. */
export interface RowShapes {
  sizes: ReadonlyMap<string, number[]>;
  /** Length of the first open dimension; 0 if there are none. */
  length: number;
}

type Pinned = ReadonlyMap<string, readonly (number | null)[]>;

/**
 * Sizes tried for open dimensions other than the batch: 8 before 1, because at 1 a flattened [batch * seq]
 * output looks just like [batch]; then the usual sizes of vision models.
 */
const TRIAL_SIZES = [8, 32, 48, 64, 224, 1];

/** The shapes to try, likeliest first: all open dimensions have the same size. */
export function trialShapes(pinned: Pinned, inputs: readonly TensorMeta[], plan: AxisPlan): RowShapes[] {
  const symbols = openSymbols(pinned, inputs, plan);
  if (symbols.count === 0) return [fill(pinned, symbols, () => 0)];
  return TRIAL_SIZES.map((size) => fill(pinned, symbols, () => size));
}

/**
 * Lengths other than the known ones: each open dimension in turn doubled, all doubled, all halved. Dimensions
 * with the same name, or unnamed ones at the same place, have the same size.
 */
export function otherLengths(
  pinned: Pinned,
  inputs: readonly TensorMeta[],
  plan: AxisPlan,
  known: RowShapes,
): RowShapes[] {
  const symbols = openSymbols(pinned, inputs, plan);
  if (symbols.count === 0) return [];
  const size = known.length;
  const all = [fill(pinned, symbols, () => size * 2)];
  if (size > 2) all.push(fill(pinned, symbols, () => Math.ceil(size / 2)));
  if (symbols.count === 1) return all;
  const single = Array.from({ length: symbols.count }, (_, one) =>
    fill(pinned, symbols, (symbol) => (symbol === one ? size * 2 : size)),
  );
  return [...single, ...all];
}

interface Symbols {
  count: number;
  /** Number of the symbol at each open place, by input. */
  places: ReadonlyMap<string, readonly (number | undefined)[]>;
}

function openSymbols(pinned: Pinned, inputs: readonly TensorMeta[], plan: AxisPlan): Symbols {
  const numbers = new Map<string, number>();
  const places = new Map<string, (number | undefined)[]>();
  for (const input of inputs) {
    const axis = plan.get(input.name) ?? null;
    const names = input.shape.filter((_, index) => index !== axis);
    const row = (pinned.get(input.name) ?? []).map((dim, index) => {
      if (dim !== null) return undefined;
      const name = names[index];
      const symbol = typeof name === 'string' && name !== '' ? name : `#${index}`;
      if (!numbers.has(symbol)) numbers.set(symbol, numbers.size);
      return numbers.get(symbol);
    });
    places.set(input.name, row);
  }
  return { count: numbers.size, places };
}

function fill(pinned: Pinned, symbols: Symbols, sizeOf: (symbol: number) => number): RowShapes {
  const sizes = new Map(
    [...pinned].map(([name, shape]) => [
      name,
      shape.map((dim, index) => dim ?? sizeOf(symbols.places.get(name)?.[index] ?? 0)),
    ]),
  );
  return { sizes, length: symbols.count === 0 ? 0 : sizeOf(0) };
}
