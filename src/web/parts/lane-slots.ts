/** Parts of a lane that are drawn; more cannot be told apart. */
export const SLOTS = 100;

/** The mean of the known samples in each of equal parts of the time. */
export function slotMeans(
  at: readonly number[],
  shares: readonly (number | null)[],
  from: number,
  to: number,
  slots: number = SLOTS,
): (number | null)[] {
  const sums = new Array<number>(slots).fill(0);
  const counts = new Array<number>(slots).fill(0);
  at.forEach((time, index) => {
    const share = shares[index] ?? null;
    const slot = Math.min(slots - 1, Math.floor(((time - from) / (to - from)) * slots));
    if (share === null || slot < 0) return;
    sums[slot] = (sums[slot] as number) + share;
    counts[slot] = (counts[slot] as number) + 1;
  });
  return sums.map((sum, slot) => (counts[slot] === 0 ? null : sum / (counts[slot] as number)));
}
