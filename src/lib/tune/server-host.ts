import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The memory available to a server. */
export interface HostMemory {
  /** Maximum bytes that the server can use. */
  bytes: number;
  /** `cgroup`: the limit of its container or unit; `host`: its machine's total memory. */
  source: 'cgroup' | 'host';
}

/** Kernel settings that affect a fork; undefined if they cannot be read. */
export interface HostSettings {
  /** `vm.overcommit_memory`. */
  overcommit: number | undefined;
  /** Transparent huge pages: `always`, `madvise`, `never`. */
  hugePages: string | undefined;
  /** Bytes of swap in use or available. */
  swap: number | undefined;
}

export interface ServerHost {
  memory: HostMemory | undefined;
  /** Only for a server on this machine. */
  settings: HostSettings | undefined;
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** True when an address can only belong to this machine: a socket file, or loopback. */
export function isLocal(endpoints: readonly { host: string }[]): boolean {
  return endpoints.every(({ host }) => LOOPBACK.test(host));
}

/**
 * Memory and kernel settings of a server's machine. From another machine, only INFO's `total_system_memory`
 * is available, and a container's limit is not visible; on this machine the limit of the server's own control
 * group counts too. `root` replaces `/` in tests.
 */
export function readServerHost(
  raw: ReadonlyMap<string, string>,
  local: boolean,
  pid: number | undefined,
  root = '/',
): ServerHost {
  const total = Number(raw.get('total_system_memory') ?? 0);
  const here = local && pid !== undefined && isServer(root, pid);
  const limit = here ? cgroupLimit(root, pid) : undefined;
  const host: HostMemory | undefined = total > 0 ? { bytes: total, source: 'host' } : undefined;
  const memory =
    limit !== undefined && (host === undefined || limit < host.bytes)
      ? { bytes: limit, source: 'cgroup' as const }
      : host;
  return { memory, settings: here ? hostSettings(root) : undefined };
}

/** A server in a container reports its pid there, which belongs to another process here. */
function isServer(root: string, pid: number): boolean {
  return /redis|valkey|keydb|dragonfly/.test(read(join(root, 'proc', String(pid), 'comm')) ?? '');
}

/** The lowest memory limit from the process's control group upwards; undefined when there is none. */
function cgroupLimit(root: string, pid: number): number | undefined {
  const lines = (read(join(root, 'proc', String(pid), 'cgroup')) ?? '').split('\n');
  const limits: number[] = [];
  for (const line of lines) {
    const [id, controllers = '', path = '/'] = line.split(':');
    const unified = id === '0' && controllers === '';
    if (!unified && !controllers.split(',').includes('memory')) continue;
    const base = join(root, 'sys/fs/cgroup', unified ? '' : 'memory');
    const file = unified ? 'memory.max' : 'memory.limit_in_bytes';
    for (let at = path; ; at = dirname(at)) {
      // `max` (version 2) is not a number; version 1 writes about 2^63 for no limit.
      const bytes = Number(read(join(base, at, file)) ?? 'max');
      if (bytes > 0 && bytes < 2 ** 60) limits.push(bytes);
      if (at === '/' || at === '.') break;
    }
  }
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function hostSettings(root: string): HostSettings {
  const overcommit = read(join(root, 'proc/sys/vm/overcommit_memory'));
  const pages = read(join(root, 'sys/kernel/mm/transparent_hugepage/enabled'));
  const swap = /^SwapTotal:\s+(\d+) kB/m.exec(read(join(root, 'proc/meminfo')) ?? '');
  return {
    overcommit: overcommit === undefined ? undefined : Number(overcommit),
    hugePages: /\[(\w+)\]/.exec(pages ?? '')?.[1],
    swap: swap === null ? undefined : Number(swap[1]) * 1024,
  };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
