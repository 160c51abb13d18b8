/** Milliseconds that 50, 90, 99 and 99.9 of 100 samples did not exceed. */
export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
  p999: number;
}

const FIRST_CAPACITY = 1024;

/** Collects milliseconds; adding one costs a store, and they are sorted once, at the end. */
export class Series {
  private values = new Float64Array(FIRST_CAPACITY);
  private used = 0;

  get count(): number {
    return this.used;
  }

  add(ms: number): void {
    if (this.used === this.values.length) {
      const wider = new Float64Array(this.used * 2);
      wider.set(this.values);
      this.values = wider;
    }
    this.values[this.used++] = ms;
  }

  /** Nearest rank: always a measured value. Null when nothing was measured. */
  percentiles(): Percentiles | null {
    if (this.used === 0) return null;
    const sorted = this.values.slice(0, this.used).sort();
    const at = (share: number) => roundMs(sorted[rank(share, sorted.length)] as number);
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) };
  }
}

/** Index of the nearest rank; subtracting a little keeps 0.999 x 1000 from counting as 999.0000001. */
function rank(share: number, count: number): number {
  return Math.max(0, Math.ceil(share * count - 1e-9) - 1);
}

/** Rounds to whole microseconds, the accuracy of the clocks. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
