import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { ClientProcess } from './client-process.js';
import { DAMAGE_NAMES, damage } from './damage.js';
import type { FailoverServers } from './failover-servers.js';
import type { HistoryWriter } from './history.js';
import { heldBy, openJobs } from './keyspace.js';
import { signal } from './processes.js';
import type { FaultProxy } from './proxy.js';
import type { Random } from './random.js';
import type { FaultRecord } from './records.js';
import type { ChaosRedis } from './redis-server.js';
import type { WorkerProcess } from './worker-process.js';

export interface Victims {
  prefix: string;
  queues: readonly string[];
  lockMs: number;
  /** Its server, where it is a single one. */
  redis: ChaosRedis | undefined;
  /** Master and replica, where there are. */
  servers: FailoverServers | undefined;
  admin: Redis;
  workers: readonly WorkerProcess[];
  clients: readonly ClientProcess[];
  /** `others` is in front of the workers that no other network fault affects. */
  proxies: { clients: FaultProxy; workers: FaultProxy; others: FaultProxy };
  /** What the harness itself does to jobs. */
  history: HistoryWriter;
  /** Whether processes start with wrong clocks. */
  skews: boolean;
}

type Injury = Omit<FaultRecord, 'kind'>;

/** Injects a fault and heals it; resolves with when recovery starts to count. */
type Fault = (victims: Victims, random: Random) => Promise<Injury>;

const FAULTS = {
  'worker-kill': async (victims, random) => {
    const worker = anyWorker(victims, random);
    const held = await heldBy(victims.admin, victims.prefix, victims.queues, worker.plan.name);
    const at = Date.now();
    worker.kill();
    return { at, held, detail: `${worker.plan.name}, ${held.length} jobs in hand` };
  },
  'worker-stop': async (victims, random) => {
    const worker = anyWorker(victims, random);
    const held = await heldBy(victims.admin, victims.prefix, victims.queues, worker.plan.name);
    const at = Date.now();
    const ms = victims.lockMs + random.int(500, 2000);
    worker.pause();
    await delay(ms);
    worker.resume();
    return { at, held, detail: `${worker.plan.name} for ${ms} ms, ${held.length} jobs in hand` };
  },
  'worker-term': async (victims, random) => {
    const worker = anyWorker(victims, random);
    const at = Date.now();
    const code = await worker.drain(20_000, true);
    return { at, held: [], detail: `${worker.plan.name}, ended with ${code} after ${Date.now() - at} ms` };
  },
  'runner-kill': async (victims, random) => {
    const worker = anyWorker(victims, random);
    const runners = worker.noteChildren();
    const at = Date.now();
    for (const pid of runners) signal(pid, 'SIGKILL');
    return { at, held: [], worker: worker.plan.name, detail: `${runners.length} of ${worker.plan.name}` };
  },
  'redis-kill': ({ redis }, random) => restartRedis(redis, 'SIGKILL', random.int(0, 3000)),
  'redis-restart': ({ redis }, random) => restartRedis(redis, 'SIGTERM', random.int(0, 1000)),
  'client-kill': async ({ admin }) => {
    const killed = await admin.call('CLIENT', 'KILL', 'TYPE', 'normal');
    return { at: Date.now(), held: [], detail: `${killed} connections` };
  },
  'client-pause': async ({ admin }) => {
    const ms = 1500;
    await admin.call('CLIENT', 'PAUSE', ms, 'ALL');
    await delay(ms);
    return { at: Date.now(), held: [], detail: `${ms} ms` };
  },
  'memory-full': async ({ admin, lockMs }, random) => {
    // Longer than a lock: renewals must work on a full server.
    const ms = lockMs + random.int(500, 1500);
    await admin.config('SET', 'maxmemory', '1mb');
    await delay(ms);
    await admin.config('SET', 'maxmemory', '0');
    return { at: Date.now(), held: [], detail: `maxmemory below use for ${ms} ms` };
  },
  'script-flush': async ({ admin }) => {
    await admin.script('FLUSH');
    return { at: Date.now(), held: [], detail: 'all scripts forgotten' };
  },
  'net-delay': (victims, random) => {
    const ms = random.int(50, 300);
    return misbehave(victims, random, random.int(1500, 3000), `${ms} ms a piece`, { kind: 'delay', ms });
  },
  'net-blackhole': (victims, random) =>
    misbehave(victims, random, victims.lockMs + random.int(0, 2000), 'silence', { kind: 'blackhole' }),
  'net-halfopen': (victims, random) =>
    misbehave(victims, random, random.int(1000, 3000), 'no answers', { kind: 'halfopen' }),
  'net-reset': async (victims, random) => {
    const side = random.pick(['clients', 'workers'] as const);
    const reset = victims.proxies[side].reset();
    return { at: Date.now(), held: [], ...hit(victims, side), detail: `${reset} connections of ${side}` };
  },
  'answers-cut': async ({ proxies }, random) => {
    const ms = random.int(1500, 3000);
    const all = Object.values(proxies);
    const times = random.int(1, 3);
    for (const proxy of all) proxy.set({ kind: 'cut', times });
    await delay(ms);
    for (const proxy of all) proxy.set({ kind: 'pass' });
    const cuts = all.reduce((sum, proxy) => sum + proxy.cuts, 0);
    return {
      at: Date.now(),
      held: [],
      clients: true,
      detail: `${cuts} kinds of requests run, ${times} answers of each lost`,
    };
  },
  'submitter-kill': async (victims, random) => {
    const client = random.pick(victims.clients);
    const skewMs = victims.skews ? random.pick(SKEWS) : 0;
    await client.crash(skewMs);
    return {
      at: Date.now(),
      held: [],
      clients: true,
      detail: `${client.name}, back with its clock ${ahead(skewMs)}`,
    };
  },
  'clock-skew': async (victims, random) => {
    const worker = anyWorker(victims, random);
    worker.skewMs = random.pick(SKEWS.filter((ms) => ms !== worker.skewMs));
    const at = Date.now();
    await worker.drain(20_000, true);
    return { at, held: [], detail: `${worker.plan.name}, back with its clock ${ahead(worker.skewMs)}` };
  },
  'key-damage': async ({ admin, prefix, queues, history }, random) => {
    const jobs = await openJobs(admin, prefix, queues);
    const at = Date.now();
    if (jobs.length === 0) return { at, held: [], detail: 'no job was there' };
    const job = random.pick(jobs);
    const how = random.pick(DAMAGE_NAMES);
    // Recorded before it happens, since a client may see it at once.
    history.add({ op: 'damage', type: 'ok', id: job.id });
    await damage(how, admin, prefix, job);
    return { at, held: [], detail: `${job.id}: ${how}` };
  },
  failover: async ({ servers }) => {
    if (servers === undefined) throw new Error('there is no replica');
    const detail = await servers.failover();
    return { at: Date.now(), held: [], detail };
  },
  flush: async ({ admin, history }) => {
    await admin.flushall();
    history.add({ op: 'flush', type: 'ok', id: '' });
    return { at: Date.now(), held: [], detail: 'all data deleted' };
  },
} satisfies Record<string, Fault>;

export type FaultKind = keyof typeof FAULTS;
const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** Not injected at a moment: they hold for the whole run, as do wrong clocks. */
const CONDITIONS = ['oversized', 'twin-groups'] as const;

/** Faults that can be combined with a failover, where no proxy is between clients and servers and none is restarted. */
const WITH_FAILOVER: ReadonlySet<string> = new Set<TroubleName>([
  'failover',
  'worker-kill',
  'worker-stop',
  'worker-term',
  'runner-kill',
  'submitter-kill',
  'clock-skew',
  'twin-groups',
]);

/** A fault that cannot be combined with `failover`, if any. */
export function unfit(names: readonly TroubleName[]): TroubleName | undefined {
  return names.includes('failover') ? names.find((name) => !WITH_FAILOVER.has(name)) : undefined;
}

/** Everything that may be named in `--faults`. */
export type TroubleName = FaultKind | (typeof CONDITIONS)[number];
export const TROUBLES: readonly TroubleName[] = [...FAULT_KINDS, ...CONDITIONS];

/** Faults after which no lock expires, unless a worker forgot or never knew that it holds a job. */
const HARMLESS: ReadonlySet<string> = new Set<TroubleName>([
  'worker-term',
  'runner-kill',
  'script-flush',
  'answers-cut',
  'submitter-kill',
  'clock-skew',
]);

/** Whether a fault may keep a worker from renewing its locks in time. */
export const mayLapse = (kind: string): boolean => !HARMLESS.has(kind);

/** The default faults: a failover is a separate scenario. */
export const USUAL: readonly TroubleName[] = TROUBLES.filter((name) => name !== 'failover');

export const isFault = (name: TroubleName): name is FaultKind => name in FAULTS;

/** How far the clocks of hosts are off, ms. */
const HOUR_MS = 3_600_000;
export const SKEWS: readonly number[] = [HOUR_MS, -HOUR_MS, 0];

function ahead(ms: number): string {
  return ms === 0 ? 'right' : `${Math.abs(ms) / HOUR_MS} h ${ms > 0 ? 'ahead' : 'behind'}`;
}

export async function injure(kind: FaultKind, victims: Victims, random: Random): Promise<FaultRecord> {
  return { kind, ...(await FAULTS[kind](victims, random)) };
}

/**
 * Endless; each kind occurs once before any repeats.
 * @param kinds one or more
 */
export function* schedule(kinds: readonly FaultKind[], random: Random): Generator<FaultKind, never> {
  for (;;) yield* random.shuffle(kinds);
}

function anyWorker({ workers }: Victims, random: Random): WorkerProcess {
  // Drawn before checking which processes are up, so that the seed alone decides where possible.
  const order = random.shuffle(workers);
  return order.find((worker) => worker.isUp) ?? (order[0] as WorkerProcess);
}

async function restartRedis(
  redis: ChaosRedis | undefined,
  how: NodeJS.Signals,
  awayMs: number,
): Promise<Injury> {
  if (redis === undefined) throw new Error('a server that is one of several is not restarted');
  await redis.end(how);
  await delay(awayMs);
  await redis.launch();
  return { at: Date.now(), held: [], detail: `away for ${awayMs} ms` };
}

/** The worker whose completions show that a network fault is over. */
function hit({ workers, proxies }: Victims, side: 'clients' | 'workers'): Partial<Injury> {
  if (side === 'clients') return { clients: true };
  return { worker: workers.find(({ plan }) => plan.port === proxies.workers.port)?.plan.name };
}

async function misbehave(
  victims: Victims,
  random: Random,
  ms: number,
  what: string,
  mode: Parameters<FaultProxy['set']>[0],
): Promise<Injury> {
  const side = random.pick(['clients', 'workers'] as const);
  victims.proxies[side].set(mode);
  await delay(ms);
  victims.proxies[side].set({ kind: 'pass' });
  return { at: Date.now(), held: [], ...hit(victims, side), detail: `${side}: ${what} for ${ms} ms` };
}
