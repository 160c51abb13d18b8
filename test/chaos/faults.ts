import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { heldBy } from './keyspace.js';
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
  redis: ChaosRedis;
  admin: Redis;
  workers: readonly WorkerProcess[];
  proxies: { clients: FaultProxy; workers: FaultProxy };
}

type Injury = Omit<FaultRecord, 'kind'>;

/** Does a fault and heals it; what it resolves with says from when recovery is counted. */
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
    // Longer than a lock: its renewal must work on a full server.
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
} satisfies Record<string, Fault>;

export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

export async function injure(kind: FaultKind, victims: Victims, random: Random): Promise<FaultRecord> {
  return { kind, ...(await FAULTS[kind](victims, random)) };
}

/** Endless, each kind once before any comes again. */
export function* schedule(kinds: readonly FaultKind[], random: Random): Generator<FaultKind, never> {
  for (;;) yield* random.shuffle(kinds);
}

function anyWorker({ workers }: Victims, random: Random): WorkerProcess {
  // Drawn before the look at who is up, so that the seed alone decides where it can.
  const order = random.shuffle(workers);
  return order.find((worker) => worker.isUp) ?? (order[0] as WorkerProcess);
}

async function restartRedis(redis: ChaosRedis, how: NodeJS.Signals, awayMs: number): Promise<Injury> {
  await redis.end(how);
  await delay(awayMs);
  await redis.launch();
  return { at: Date.now(), held: [], detail: `away for ${awayMs} ms` };
}

/** Whose work shows that a fault of the network is over. */
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
