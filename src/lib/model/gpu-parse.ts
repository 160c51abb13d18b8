/** A MIG instance: a part of a GPU that programs see as a separate device. */
export interface MigInstance {
  /** `MIG-<uuid>`, or `MIG-GPU-<uuid>/<gi>/<ci>` with drivers before R470. */
  uuid: string;
  /** `3g.20gb` */
  profile: string;
}

export interface Gpu {
  /** nvidia-smi's numbering: by PCI bus. */
  index: number;
  /** `GPU-<uuid>`: unlike an index, it stays the same when another GPU fails. */
  uuid: string;
  name: string;
  /** Bytes; undefined if the driver does not tell (`[N/A]`), as on chips that share the host's memory. */
  totalBytes?: number;
  usedBytes?: number;
  freeBytes?: number;
  /** Share of time during which it was busy, 0..1. */
  utilisation?: number;
  /** Driver version, if requested: `550.54.15`. */
  driver?: string;
  /** Its MIG instances; while MIG is enabled, only these can be used. */
  mig: MigInstance[];
}

const FIELDS = [
  'index',
  'uuid',
  'memory.total',
  'memory.used',
  'memory.free',
  'utilization.gpu',
  'mig.mode.current',
  'driver_version',
  'name',
] as const;

/**
 * Fields to query. The name comes last, because only it may contain a comma. Drivers before R450 do not know
 * MIG.
 */
export function gpuFields(withMig: boolean, withDriver = false): string[] {
  const left: string[] = [
    ...(withMig ? [] : ['mig.mode.current']),
    ...(withDriver ? [] : ['driver_version']),
  ];
  return FIELDS.filter((field) => !left.includes(field));
}

const MIB = 1 << 20;

/**
 * GPUs in the output of `--query-gpu=<gpuFields> --format=csv,noheader,nounits`. NVIDIA does not promise a
 * stable output, and warnings may appear between the lines: a line counts if it has an index and a UUID, and
 * a value that is not a number is unknown.
 */
export function parseGpus(
  csv: string,
  withMig: boolean,
  withDriver = false,
): { gpus: Gpu[]; migEnabled: boolean } {
  const fields = gpuFields(withMig, withDriver);
  const gpus: Gpu[] = [];
  let migEnabled = false;
  for (const line of csv.split('\n')) {
    const cells = line.split(',').map((cell) => cell.trim());
    if (cells.length < fields.length) continue;
    const name = cells.slice(fields.length - 1).join(', ');
    const cell = (field: (typeof FIELDS)[number]) => cells[fields.indexOf(field)] ?? '';
    const uuid = cell('uuid');
    if (!/^\d+$/.test(cell('index')) || !/^GPU-[\w-]+$/.test(uuid)) continue;
    migEnabled ||= withMig && cell('mig.mode.current') === 'Enabled';
    gpus.push({
      index: Number(cell('index')),
      uuid,
      name,
      ...known('totalBytes', cell('memory.total'), MIB),
      ...known('usedBytes', cell('memory.used'), MIB),
      ...known('freeBytes', cell('memory.free'), MIB),
      ...known('utilisation', cell('utilization.gpu'), 0.01),
      ...(withDriver ? { driver: cell('driver_version') } : {}),
      mig: [],
    });
  }
  return { gpus, migEnabled };
}

function known<K extends string>(key: K, cell: string, unit: number): { [P in K]?: number } {
  // Some old drivers print the unit despite `nounits`.
  const number = /^(\d+(?:\.\d+)?)(?: ?(?:MiB|%))?$/.exec(cell)?.[1];
  return (number === undefined ? {} : { [key]: Number(number) * unit }) as { [P in K]?: number };
}

const GPU_LINE = /^GPU (\d+):.*\(UUID: (GPU-[\w-]+)\)/;
const MIG_LINE = /^\s+MIG (\S+)\s+Device\s+\d+:\s*\(UUID: (MIG-[\w/-]+)\)/;

/** MIG instances by the UUID of their GPU, from the output of `nvidia-smi -L`. */
export function parseMigInstances(listing: string): Map<string, MigInstance[]> {
  const found = new Map<string, MigInstance[]>();
  let gpu: string | undefined;
  for (const line of listing.split('\n')) {
    gpu = GPU_LINE.exec(line)?.[2] ?? gpu;
    const [, profile, uuid] = MIG_LINE.exec(line) ?? [];
    if (gpu === undefined || profile === undefined || uuid === undefined) continue;
    found.set(gpu, [...(found.get(gpu) ?? []), { profile, uuid }]);
  }
  return found;
}

/** A device that a worker can be pinned to: a GPU, or a MIG instance of one. */
export interface GpuDevice {
  uuid: string;
  gpu: Gpu;
}

/** Every device of this host: a GPU with MIG instances is replaced by these. */
export function devicesOf(gpus: readonly Gpu[]): GpuDevice[] {
  return gpus.flatMap((gpu) =>
    gpu.mig.length === 0 ? [{ uuid: gpu.uuid, gpu }] : gpu.mig.map(({ uuid }) => ({ uuid, gpu })),
  );
}

/**
 * The device for `--gpu`, read like CUDA: an index, a UUID, or a prefix that only one device has. A GPU with
 * MIG instances means its first. Undefined: no such device here.
 */
export function findDevice(gpus: readonly Gpu[], wanted: string): GpuDevice | undefined {
  const devices = devicesOf(gpus);
  if (/^\d+$/.test(wanted)) return devices.find((device) => device.gpu.index === Number(wanted));
  const named = new Map(devices.map((device) => [device.uuid.toLowerCase(), device]));
  for (const { uuid, gpu } of devices) {
    if (!named.has(gpu.uuid.toLowerCase())) named.set(gpu.uuid.toLowerCase(), { uuid, gpu });
  }
  const prefix = wanted.toLowerCase();
  const matches = [...named].filter(([uuid]) => uuid.startsWith(prefix));
  return named.get(prefix) ?? (matches.length === 1 ? matches[0]?.[1] : undefined);
}
