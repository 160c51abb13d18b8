import type { HostTensor } from './layout.js';
import type { Outputs } from './row-proof.js';

/**
 * Elements of an output that are sampled, spread over it; 2,048 of a million float32 take tens of
 * microseconds.
 */
const MOST_ELEMENTS = 2048;
/** The checked row of a run may be the only unusual and therefore correct one, so one check is not enough. */
const CHECKS = 3;

/**
 * Recognises runs whose outputs are larger than those of all runs checked so far, by a factor of two or more.
 * The trial at load and the checks since say nothing about such a run.
 */
export class OutputRange {
  /** Number of checks by output and magnitude, a power of two. */
  private readonly checks = new Map<string, number[]>();

  /** Whether a run with such outputs has been checked less than three times. */
  isNew(outputs: Outputs): boolean {
    return Object.entries(outputs).some(([name, tensor]) => {
      const made = this.checks.get(name) ?? [];
      const from = magnitudeOf(tensor);
      return from !== undefined && sum(made.slice(from)) < CHECKS;
    });
  }

  /** Records a check of a run with these outputs. @param times count it as this many checks */
  note(outputs: Outputs, times = 1): void {
    for (const [name, tensor] of Object.entries(outputs)) {
      const at = magnitudeOf(tensor);
      if (at === undefined) continue;
      const made = this.checks.get(name) ?? [];
      while (made.length <= at) made.push(0);
      made[at] = (made[at] as number) + times;
      this.checks.set(name, made);
    }
  }

  /** Marks the range of usual outputs as known after one check. */
  settle(outputs: Outputs): void {
    this.note(outputs, CHECKS);
  }
}

/**
 * Power of two that bounds the elements, 0 for all up to 1, 1025 for infinity; undefined for outputs whose
 * magnitude is expensive or meaningless: text, 64-bit integers.
 */
function magnitudeOf({ type, data }: HostTensor): number | undefined {
  if (Array.isArray(data) || data instanceof BigInt64Array || data instanceof BigUint64Array)
    return undefined;
  const step = Math.max(1, Math.ceil(data.length / MOST_ELEMENTS));
  let most = 0;
  if (type === 'float16') {
    for (let i = 0; i < data.length; i += step) most = Math.max(most, (data[i] as number) & 0x7fff);
    // Exponents count from -15; the largest one means infinity or NaN.
    return Math.max(0, (most >> 10) - 14);
  }
  for (let i = 0; i < data.length; i += step) {
    const size = Math.abs(data[i] as number);
    if (size > most) most = size;
  }
  return most <= 1 ? 0 : Math.min(1025, Math.ceil(Math.log2(most)));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}
