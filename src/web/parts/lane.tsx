import { SLOTS } from './lane-slots.js';

export interface LaneProps {
  /** Such as `GPU use`. */
  label: string;
  /** Shares 0..1 in equal parts of the time, see `slotMeans`; null where it is not known. */
  means: readonly (number | null)[];
}

/** A share over time as columns on one line; what is not known is grey. */
export function LaneStrip({ label, means }: LaneProps) {
  const known = means.filter((mean) => mean !== null);
  const mean = known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0) / known.length;
  const told = mean === undefined ? 'not known' : `${Math.round(mean * 100)} % on average`;
  return (
    <svg
      class="lane"
      viewBox={`0 0 ${SLOTS} 24`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: ${told}`}
    >
      <path class="gap" d={means.map((one, x) => (one === null ? `M${x} 23h1v1h-1z` : '')).join('')} />
      <path
        d={means
          .map((one, x) => {
            const height = one === null ? 0 : Math.round(Math.min(1, one) * 240) / 10;
            return height === 0 ? '' : `M${x} 24v${-height}h1v${height}z`;
          })
          .join('')}
      />
    </svg>
  );
}
