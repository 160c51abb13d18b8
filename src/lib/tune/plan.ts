import { percent } from '../core/counts.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatBytes } from '../core/units.js';
import { memoryState } from '../redis/memory-state.js';
import type { SettingChange } from '../redis/server-config.js';
import { EVICTION_MEASURED, type Finding, MEMORY_SHARE_MAX, type TuneRole } from './rules.js';
import type { NodeFacts } from './server-facts.js';

/** A size in bytes, or a share (0..1) of the memory of the server's machine. */
export type AskedMemory = { bytes: number } | { share: number };

/** What the user requested from `apply`. */
export interface Asked {
  role: TuneRole;
  maxmemory?: AskedMemory | undefined;
  policy?: string | undefined;
  /** Names to limit the change to; all when absent. */
  only?: readonly string[] | undefined;
  /** Include advice, not only problems. */
  advice: boolean;
  force: boolean;
}

export interface PlannedChange extends SettingChange {
  why: string;
}

/** What would be set on one server, and warnings to consider first. */
export interface NodePlan {
  label: string;
  changes: PlannedChange[];
  warnings: string[];
}

const MAXMEMORY = /^(\d+(?:\.\d+)?)\s*(%|b|kb?|mb?|gb?|tb?)?$/i;
/** As in redis.conf: `k` is 1,000 and `kb` 1,024. */
const UNITS: Record<string, number> = {
  b: 1,
  k: 1e3,
  kb: 1024,
  m: 1e6,
  mb: 1024 ** 2,
  g: 1e9,
  gb: 1024 ** 3,
  t: 1e12,
  tb: 1024 ** 4,
};

/** `2gb`, `500m`, bytes, or `70%`. @throws InferError TUNE_MAXMEMORY (exit 2). */
export function parseMaxmemory(text: string): AskedMemory {
  const match = MAXMEMORY.exec(text.trim());
  const number = Number(match?.[1]);
  if (match !== null && match[2] === '%' && number > 0 && number <= 100) return { share: number / 100 };
  const bytes = Math.round(number * (UNITS[(match?.[2] ?? 'b').toLowerCase()] ?? Number.NaN));
  if (match !== null && match[2] !== '%' && Number.isSafeInteger(bytes)) return { bytes };
  throw new InferError('TUNE_MAXMEMORY', `'${printable(text)}' is neither a size nor a share`, {
    hint: 'write it as in redis.conf, 2gb or 512mb, or as a share of the memory there: 60%',
  });
}

/**
 * What to set on one server: fixes for the audit's findings, with the requested values in place of the
 * recommended ones. Pure. @throws InferError TUNE_POLICY, TUNE_MAXMEMORY (exit 2) for harmful values,
 * TUNE_REPLICA (78) on a replica; most can be overridden by `force`.
 */
export function planNode(node: NodeFacts, findings: readonly Finding[], asked: Asked): NodePlan {
  refuseReplica(node, asked);
  const warnings: string[] = [];
  const wanted = new Map<string, { to: string; why: string }>();
  for (const { level, set, why } of findings) {
    if (set === undefined || (level === 'advice' && !asked.advice)) continue;
    wanted.set(set.name, { to: set.value, why });
  }
  if (asked.maxmemory !== undefined) {
    const to = askedBytes(asked.maxmemory, node);
    warnings.push(...checkMaxmemory(to, node, asked));
    wanted.set('maxmemory', { to: String(to), why: 'asked for with --maxmemory' });
  }
  if (asked.policy !== undefined) {
    warnings.push(...checkPolicy(asked.policy, asked));
    wanted.set('maxmemory-policy', { to: asked.policy, why: 'asked for with --policy' });
  }
  const changes = [...wanted]
    .filter(([name]) => asked.only === undefined || asked.only.includes(name))
    .map(([name, { to, why }]) => ({ name, from: node.config.get(name) ?? '', to, why }))
    .filter(({ from, to }) => from !== to);
  return { label: node.label, changes: inSafeOrder(changes), warnings };
}

/**
 * For settings set one by one: eviction is disabled before the limit is lowered and enabled after, or data in
 * between would be evicted.
 */
export function inSafeOrder<T extends SettingChange>(changes: readonly T[]): T[] {
  const rank = ({ name, to }: T): number => (name !== 'maxmemory-policy' ? 1 : to === 'noeviction' ? 0 : 2);
  return [...changes].sort((a, b) => rank(a) - rank(b));
}

function refuseReplica({ info, label }: NodeFacts, { force }: Asked): void {
  if (info.role !== 'replica' || force) return;
  const master = info.raw.get('master_host');
  throw new InferError(
    'TUNE_REPLICA',
    `${label} is a replica: its settings do nothing until it is promoted`,
    {
      hint:
        master === undefined
          ? 'give the address of its master; --force changes the replica anyway'
          : `infer redis-tune apply --redis redis://${printable(master)}:${info.raw.get('master_port') ?? '6379'}; --force changes the replica anyway`,
    },
  );
}

function askedBytes(asked: AskedMemory, { memory, label }: NodeFacts): number {
  if ('bytes' in asked) return asked.bytes;
  if (memory !== undefined) return Math.floor(memory.bytes * asked.share);
  throw new InferError('TUNE_MAXMEMORY', `${label} does not report how much memory its machine has`, {
    hint: 'give a size instead of a share: --maxmemory 2gb',
  });
}

const refuse = (message: string, hint: string): InferError =>
  new InferError('TUNE_MAXMEMORY', message, { hint });

/**
 * Rejects what would stop the queue immediately; returns warnings about what is merely unwise. A limit below
 * current usage cannot be forced: not one job could be finished.
 */
function checkMaxmemory(bytes: number, { info, memory, label }: NodeFacts, asked: Asked): string[] {
  const size = formatBytes(bytes);
  const used = formatBytes(info.usedMemory);
  const evicts = asked.role === 'results';
  if (bytes === 0) {
    if (!asked.force) {
      throw refuse(
        'no limit at all: nothing would refuse work before the kernel kills Redis',
        'give a size, --maxmemory 2gb, or insist with --force',
      );
    }
    return ['no limit: the kernel ends Redis when memory runs out'];
  }
  if (bytes <= info.usedMemory && !(evicts && asked.force)) {
    throw refuse(
      `${size} is less than ${label} holds now (${used}): every write would fail at once`,
      `more than ${formatBytes(info.usedMemory * 1.1)}, or let the queues run empty first`,
    );
  }
  if (bytes < info.usedMemory * 1.1 && !asked.force) {
    throw refuse(
      `${size} leaves less than a tenth of room above the ${used} in use`,
      `at least ${formatBytes(info.usedMemory * 1.25)}; --force sets it anyway`,
    );
  }
  if (memory !== undefined && bytes >= memory.bytes && !asked.force) {
    throw refuse(
      `${size} is no less than the ${formatBytes(memory.bytes)} there: the kernel would kill Redis first`,
      '--maxmemory 60% leaves room for saving and clients',
    );
  }
  const warnings: string[] = [];
  if (memoryState({ usedMemory: info.usedMemory, maxMemory: bytes }) === 'full' && !evicts) {
    const limit = percent(THRESHOLDS.memoryFull.value);
    warnings.push(`new jobs will be refused at once: ${used} in use is at least ${limit} of ${size}`);
  }
  if (memory !== undefined && bytes > memory.bytes * MEMORY_SHARE_MAX) {
    warnings.push(
      `${size} is more than ${MEMORY_SHARE_MAX * 100} % of ${formatBytes(memory.bytes)}: a save or rewrite may need the rest`,
    );
  }
  return warnings;
}

function checkPolicy(policy: string, { role, force }: Asked): string[] {
  if (role === 'results' || policy === 'noeviction') return [];
  const message = `${policy} drops accepted jobs when memory is short: ${EVICTION_MEASURED}`;
  if (force) return [message];
  throw new InferError('TUNE_POLICY', message, {
    hint: 'keep noeviction: new work is then refused while memory is short (exit 75). For a Redis that holds results alone: --role results. To do it anyway: --force',
  });
}
