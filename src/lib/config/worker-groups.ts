import { checkQueueName } from '../core/job.js';
import type { Rule } from './rules.js';

/** Workers started together: one entry of `workers` in a configuration file. */
export interface WorkerGroup {
  /** Name of the first worker, or the base name, with a number each, of all. */
  name: string;
  /** In order of urgency; those of the setting `queues` when absent. */
  queues?: readonly string[] | undefined;
  /** Index, `GPU-<uuid>` or `MIG-<uuid>` for all of them. */
  gpu?: string | undefined;
  /** Number of workers; with `perGpu`, on each GPU. */
  count?: number | undefined;
  /** One for each GPU of the host. */
  perGpu?: boolean | undefined;
  /** Additional arguments of `infer worker`. */
  args?: readonly string[] | undefined;
}

const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const MOST_WORKERS = 256;

/** A list of worker groups: a list in a file, JSON in a variable. */
export function workerGroups(): Rule<readonly WorkerGroup[]> {
  return {
    text: 'a list of workers: name, and perhaps queues, gpu, count, perGpu, args; names all different',
    example: '[{"name":"gpu","queues":["realtime"],"perGpu":true}]',
    list: true,
    read: (raw) => {
      const list = typeof raw === 'string' ? parsed(raw) : raw;
      if (!Array.isArray(list)) return undefined;
      const groups = list.map(groupOf).filter((group) => group !== undefined);
      const names = new Set(groups.map((group) => group.name));
      return names.size === list.length ? groups : undefined;
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const CHECKS: { readonly [K in keyof Required<WorkerGroup>]: (value: unknown) => boolean } = {
  name: (value) => typeof value === 'string' && GROUP_NAME.test(value),
  queues: (value) => strings(value) && value.length > 0 && value.every(isQueueName),
  gpu: (value) => typeof value === 'string' || (Number.isInteger(value) && (value as number) >= 0),
  count: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_WORKERS,
  perGpu: (value) => typeof value === 'boolean',
  args: strings,
};

function groupOf(raw: unknown): WorkerGroup | undefined {
  if (typeof raw !== 'object' || raw === null || !('name' in raw)) return undefined;
  const entries = Object.entries(raw);
  const known = entries.every(([key, value]) => key in CHECKS && CHECKS[key as keyof WorkerGroup](value));
  if (!known) return undefined;
  const group = Object.fromEntries(entries) as unknown as WorkerGroup;
  return group.gpu === undefined ? group : { ...group, gpu: String(group.gpu) };
}

function strings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function isQueueName(name: string): boolean {
  try {
    return checkQueueName(name) === name;
  } catch {
    return false;
  }
}
