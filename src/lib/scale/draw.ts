import type { Random } from '../core/random.js';

/** An exponentially distributed number. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}

/** A normally distributed number, mean 0, deviation 1 (Box and Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Log-normally distributed numbers; `cv` is deviation divided by mean. */
export function lognormals(random: Random, count: number, mean: number, cv: number): Float64Array {
  const sigma = Math.sqrt(Math.log(1 + cv * cv));
  const shift = Math.log(mean) - (sigma * sigma) / 2;
  return Float64Array.from({ length: count }, () => Math.exp(shift + sigma * normal(random)));
}

/**
 * A gamma-distributed number of scale 1 (Marsaglia and Tsang; a shape below 1 is derived from one above it).
 */
export function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
