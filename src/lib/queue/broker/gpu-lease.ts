import type { ProcessMark } from '../../core/process-alive.js';
import type { RedisClient } from '../../redis/types.js';
import { leaseKey } from '../keys.js';

/**
 * Who may use a GPU. Two workers on one GPU share its memory, and the second usually fails for lack of it.
 */
export interface GpuLease extends ProcessMark {
  /** The UUID of the GPU or MIG instance; `<host>:<index>` if the UUID is unknown. */
  device: string;
  host: string;
  /** Where the holder's process id is valid, see `processPlace`. */
  place: string;
  /** The worker's name, for display. */
  worker: string;
  /** The worker's id: never reused by another process. */
  id: string;
}

/** A lease that has not been renewed for this long has expired; workers renew it every second. */
const LEASE_TTL_MS = 15_000;
/**
 * The record outlives the lease: a silent holder that still runs at the same place, frozen or disconnected
 * from Redis, still occupies the GPU's memory.
 */
const MEMORY_MS = 3_600_000;

/**
 * KEYS 1: the lease. ARGV: own record, own id, own place, the record whose process was seen to have exited
 * (or empty), memory and time to live in ms. Returns the record that is now in force.
 */
const LEASE = `
local function take()
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[5])
  return ARGV[1]
end
local held = redis.call('GET', KEYS[1])
if not held or held == ARGV[4] then return take() end
local ok, holder = pcall(cjson.decode, held)
if not ok or type(holder) ~= 'table' then return take() end
if holder.id == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return held
end
local silent = tonumber(ARGV[5]) - redis.call('PTTL', KEYS[1])
if holder.place ~= ARGV[3] and silent > tonumber(ARGV[6]) then return take() end
return held`;

/** KEYS 1: the lease. ARGV: own id. */
const RELEASE = `
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local ok, holder = pcall(cjson.decode, held)
if ok and type(holder) == 'table' and holder.id ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Takes or renews the lease on a GPU, in one step; returns its current holder. A holder at the same place
 * keeps it while its process lives (`runs`) and loses it as soon as the process has exited; a holder
 * elsewhere, whose process cannot be checked, keeps it until 15 s after its last renewal.
 */
export async function leaseGpu(
  client: RedisClient,
  prefix: string,
  lease: GpuLease,
  runs: (process: ProcessMark) => boolean,
): Promise<GpuLease> {
  const key = leaseKey(prefix, lease.device);
  let gone = '';
  for (;;) {
    const args = [JSON.stringify(lease), lease.id, lease.place, gone, MEMORY_MS, LEASE_TTL_MS];
    const held = String(await client.eval(LEASE, 1, key, ...args));
    const holder = JSON.parse(held) as GpuLease;
    if (holder.id === lease.id || holder.place !== lease.place || runs(holder)) return holder;
    // Only this exact record is replaced: another worker may take over the GPU at the same moment.
    gone = held;
  }
}

/** Gives a lease back if it is still this worker's. */
export async function releaseGpu(client: RedisClient, prefix: string, lease: GpuLease): Promise<void> {
  await client.eval(RELEASE, 1, leaseKey(prefix, lease.device), lease.id);
}

/** Who holds a GPU, dead or alive, and how long ago it was last heard from, ms; undefined when it is free. */
export async function readLease(
  client: RedisClient,
  prefix: string,
  device: string,
): Promise<{ holder: GpuLease; silentMs: number } | undefined> {
  const key = leaseKey(prefix, device);
  const [held, left] = await Promise.all([client.get(key), client.pttl(key)]);
  if (held === null) return undefined;
  try {
    return { holder: JSON.parse(held) as GpuLease, silentMs: Math.max(0, MEMORY_MS - left) };
  } catch {
    return undefined;
  }
}

/** A worker that holds a GPU, as another process sees it. */
export interface GpuHolder {
  worker: string;
  /** Null when the process id has no meaning here: it is on another host or in another container. */
  pid: number | null;
}

/** The holder of a lease as seen from `place`. */
export function holderFrom(place: string, { worker, pid, place: theirs }: GpuLease): GpuHolder {
  return { worker, pid: theirs === place ? pid : null };
}

/**
 * The worker because of which a GPU would be refused, seen from `place`: one that runs there, or one
 * elsewhere that was heard from within 15 s.
 */
export function holds(
  lease: { holder: GpuLease; silentMs: number } | undefined,
  place: string,
  runs: (process: ProcessMark) => boolean,
): GpuLease | undefined {
  if (lease === undefined) return undefined;
  const { holder, silentMs } = lease;
  const alive = holder.place === place ? runs(holder) : silentMs <= LEASE_TTL_MS;
  return alive ? holder : undefined;
}
