/** Seconds as `31.2s`, `4s`. */
export function formatSeconds(seconds: number): string {
  return `${Number(seconds.toFixed(1))}s`;
}

/** Jobs per second as `11.8`; small values with more digits. */
export function formatRate(rate: number): string {
  return rate > 0 && rate < 0.95 ? String(Number(rate.toPrecision(2))) : rate.toFixed(1);
}
