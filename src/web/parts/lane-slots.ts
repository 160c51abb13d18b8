/** Parts of a lane that are drawn; more cannot be told apart. */
export const SLOTS = 100;

/**
 * The mean of the known samples in each of equal parts of the time.
 * @param holdMs for how long each sample stands [a moment]
 */
export function slotMeans(
  at: readonly number[],
  shares: readonly (number | null)[],
  from: number,
  to: number,
  { holdMs = 1, slots = SLOTS }: { holdMs?: number; slots?: number } = {},
): (number | null)[] {
  const sums = new Array<number>(slots).fill(0);
  const counts = new Array<number>(slots).fill(0);
  at.forEach((time, index) => {
    const share = shares[index] ?? null;
    if (share === null) return;
    const slotOf = (ms: number) => Math.floor(((ms - from) / (to - from)) * slots);
    const last = Math.min(slots - 1, Math.max(slotOf(time), slotOf(time + holdMs - 1)));
    for (let slot = Math.max(0, Math.min(slots - 1, slotOf(time))); slot <= last; slot++) {
      sums[slot] = (sums[slot] as number) + share;
      counts[slot] = (counts[slot] as number) + 1;
    }
  });
  return sums.map((sum, slot) => (counts[slot] === 0 ? null : sum / (counts[slot] as number)));
}
