/** `2026-11-28T22:30Z`: a time to the minute. */
export function minuteTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16)}Z`;
}

/** `2026-11-28T22:30:05Z`: a time to the second. */
export function secondTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
