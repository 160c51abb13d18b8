/**
 * What a device waits for while work waits. `take`: jobs, from Redis. `look`: the check for more urgent work.
 * `stage`: inputs, on their way into the runner. `settle`: outcomes of the run before, and the plan of the next.
 * `restart`: a new runner process.
 */
export const DEVICE_WAITS = ['take', 'look', 'stage', 'settle', 'restart'] as const;

export type DeviceWait = (typeof DEVICE_WAITS)[number];

/** How a worker's devices spent the last minute, as far as there was something to run. */
export interface DeviceBusy {
  /** Share of the time in which they ran, 0..1. */
  share: number;
  /** The time in which there was something to run, ms; summed over its runners. */
  workMs: number;
  /** Shares of that time in which they waited, 0..1, by what for; those of 0 are left out. */
  why: Partial<Record<DeviceWait, number>>;
}

/** Shares below this are not shown. */
const LEAST_SHARE = 0.01;

/** What the devices waited for, as far as it is worth showing, in the order of a job's way. */
export function shownWaits({ why }: DeviceBusy): { what: DeviceWait; share: number }[] {
  return DEVICE_WAITS.flatMap((what) => {
    const share = why[what] ?? 0;
    return share < LEAST_SHARE ? [] : [{ what, share }];
  });
}
