import { InferError } from '../core/errors.js';
import { devicesOf, findDevice, type Gpu, type GpuDevice } from '../model/gpu-parse.js';

/** Room for one worker: a share of the CPU, or a GPU. */
export interface Slot {
  /** `cpu-1`; or the device's UUID, `GPU-…`, and `GPU-…#2` for a second worker there. */
  id: string;
  /** The device the worker is pinned to; null on the CPU. */
  device: string | null;
}

/** Which GPUs a fleet may use: all, none, or the given ones (index or UUID). */
export type GpuChoice = 'all' | 'none' | readonly string[];

/**
 * Devices of this host that a fleet may use.
 * @throws InferError GPU_UNKNOWN (exit 69) for a name without a device.
 */
export function chosenDevices(gpus: readonly Gpu[], choice: GpuChoice): GpuDevice[] {
  if (choice === 'none') return [];
  if (choice === 'all') return devicesOf(gpus);
  const found = choice.map((name) => {
    const device = findDevice(gpus, name);
    if (device !== undefined) return device;
    const known = gpus.map((gpu) => gpu.index).join(', ');
    throw new InferError('GPU_UNKNOWN', `this host has no GPU ${name}`, {
      hint:
        known === '' ? 'nvidia-smi shows none; without GPUs: --gpus none' : `use some of ${known}, or all`,
    });
  });
  return found.filter((one, at) => found.findIndex((other) => other.uuid === one.uuid) === at);
}

/**
 * Slots on GPUs, in the order in which to use them: each GPU once before any twice, most free memory first.
 */
export function gpuSlots(devices: readonly GpuDevice[], workersPerGpu: number): Slot[] {
  const free = ({ gpu }: GpuDevice) => gpu.freeBytes ?? 0;
  const sorted = [...devices].sort((a, b) => free(b) - free(a) || a.gpu.index - b.gpu.index);
  return Array.from({ length: workersPerGpu }, (_, at) =>
    sorted.map(({ uuid }) => ({ id: at === 0 ? uuid : `${uuid}#${at + 1}`, device: uuid })),
  ).flat();
}

export function cpuSlots(count: number): Slot[] {
  return Array.from({ length: count }, (_, at) => ({ id: `cpu-${at + 1}`, device: null }));
}

/** The device of a slot, from its id. */
export function deviceOf(slot: string): string | null {
  return slot.startsWith('cpu-') ? null : slot.replace(/#\d+$/, '');
}
