/** `31.2s`, `4s`, of seconds. */
export function formatSeconds(seconds: number): string {
  return `${Number(seconds.toFixed(1))}s`;
}

/** `11.8`, of jobs a second; small ones with more digits. */
export function formatRate(rate: number): string {
  return rate > 0 && rate < 0.95 ? String(Number(rate.toPrecision(2))) : rate.toFixed(1);
}
