const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** Whether a job or group has ended. */
export function isEnded(state: string): boolean {
  return ENDED.has(state);
}
