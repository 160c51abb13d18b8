import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type ContainerKind = 'kubernetes' | 'docker' | 'podman' | 'container';

export interface ContainerSigns {
  /** Whether `KUBERNETES_SERVICE_HOST` is set, which this folder may not read itself. */
  kubernetes?: boolean | undefined;
  /** Root of the file system; `/` except in tests. */
  root?: string | undefined;
}

/**
 * Patterns that identify the container in process 1's cgroup; on cgroup v2 it is often `/` and says nothing.
 */
const CGROUPS: readonly [RegExp, ContainerKind][] = [
  [/kubepods/, 'kubernetes'],
  [/docker/, 'docker'],
  [/libpod/, 'podman'],
  [/containerd|crio|lxc/, 'container'],
];

/** The kind of container this process runs in, where localhost is the container itself; undefined outside. */
export function containerKind({ kubernetes, root = '/' }: ContainerSigns = {}): ContainerKind | undefined {
  if (kubernetes === true) return 'kubernetes';
  if (existsSync(join(root, '.dockerenv'))) return 'docker';
  if (existsSync(join(root, 'run/.containerenv'))) return 'podman';
  let cgroup: string;
  try {
    cgroup = readFileSync(join(root, 'proc/1/cgroup'), 'utf8');
  } catch {
    return undefined;
  }
  return CGROUPS.find(([sign]) => sign.test(cgroup))?.[1];
}
