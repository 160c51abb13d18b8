import { formatDuration } from '../../core/units.js';
import type { RedisClient } from '../../redis/types.js';
import { statesKey, workerKey } from '../keys.js';
import type { WorkerRecord } from '../types.js';
import { changeState, readStates, type States } from './change-state.js';
import { isOldLoss, tellLosses } from './loss-events.js';
import type { NewEvent } from './write-event.js';

/** How long is remembered that a worker has left: until its last figures are recorded. */
const REMEMBERED_MS = 300_000;
/** A worker that is new to Redis and has run for this long, ms, has not just started: Redis has lost its data. */
const LONG_MS = 120_000;

type Known = Pick<WorkerRecord, 'name' | 'host' | 'version' | 'device'> & {
  /** When it started, or when it had left; ms since the epoch. */
  at: number;
};

/**
 * Events about the workers of a deployment, each written once: by the worker itself or by the process that sees it
 * first.
 */
export class WorkerEvents {
  private own: WorkerRecord | undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** This worker is ready. Its heartbeat must be there. */
  async arrived(worker: WorkerRecord): Promise<void> {
    this.own = worker;
    await this.change(worker.id, true, knownOf(worker), { event: started(worker) });
  }

  /** This worker has stopped as it was told to. Its heartbeat must have been removed. */
  async left(now: number): Promise<void> {
    if (this.own === undefined) return;
    const known = { ...knownOf(this.own), at: now };
    await this.change(this.own.id, false, known, { event: stopped(known) });
  }

  /** Compares the live workers with those that are known, and writes what has happened since. */
  async compare(workers: readonly WorkerRecord[], now: number): Promise<States> {
    await tellLosses(this.client, this.prefix, now);
    const states = await readStates(this.client, this.prefix);
    const live = new Set(workers.map(({ id }) => id));
    for (const worker of workers) {
      if (states.get(worker.id)?.on === true) continue;
      const known = knownOf(worker);
      const event = now - worker.startedAt > LONG_MS ? registered(worker, now) : started(worker);
      await this.change(worker.id, true, known, { event, known: returned(known) });
    }
    for (const [id, { on, facts }] of states) {
      if (isOldLoss(id, facts, now)) await this.client.hdel(statesKey(this.prefix), id);
      if (live.has(id) || !isWorker(id)) continue;
      const worker = knownFrom(id, facts);
      if (on) await this.change(id, false, { ...worker, at: now }, { event: lost(worker, now) });
      else if (now - worker.at > REMEMBERED_MS) await this.client.hdel(statesKey(this.prefix), id);
    }
    return states;
  }

  private async change(
    id: string,
    on: boolean,
    facts: Known,
    events: { event: NewEvent; known?: NewEvent },
  ): Promise<void> {
    const heartbeat = workerKey(this.prefix, id);
    await changeState(this.client, this.prefix, { thing: id, on, facts: { ...facts }, ...events, heartbeat });
  }
}

/** Names of the workers among the states, by id. */
export function workerNames(states: States): Map<string, string> {
  const workers = [...states].filter(([thing]) => isWorker(thing));
  return new Map(workers.map(([id, { facts }]) => [id, knownFrom(id, facts).name]));
}

/** Among the things that have a state. All others have a kind in front, such as `failures:<queue>`. */
const isWorker = (thing: string): boolean => !thing.includes(':');

function knownFrom(id: string, facts: Record<string, unknown>): Known {
  const text = (name: string): string => (typeof facts[name] === 'string' ? (facts[name] as string) : '');
  return {
    name: text('name') || id,
    host: text('host'),
    version: text('version'),
    device: text('device'),
    at: typeof facts.at === 'number' ? facts.at : 0,
  };
}

function knownOf({ name, host, version, device, startedAt }: WorkerRecord): Known {
  return { name, host, version, device, at: startedAt };
}

function about({ name, host, version, device }: Omit<Known, 'at'>): Pick<NewEvent, 'subject' | 'data'> {
  return { subject: { kind: 'worker', name }, data: { host, version, device } };
}

function started(worker: WorkerRecord): NewEvent {
  const { name, host, device, models, queues } = worker;
  const serves = models.map((model) => model.name).join(', ') || 'no models';
  const text = `worker ${name} is ready on ${host} (${device}): serves ${serves} from ${queues.join(', ')}`;
  return { kind: 'worker-started', ...about(worker), text, alarm: false };
}

function registered(worker: WorkerRecord, now: number): NewEvent {
  const text = `worker ${worker.name} is registered again; it has run for ${formatDuration(now - worker.startedAt)}`;
  return { kind: 'worker-returned', ...about(worker), text, alarm: false };
}

function stopped(worker: Known): NewEvent {
  return {
    kind: 'worker-stopped',
    ...about(worker),
    text: `worker ${worker.name} has stopped`,
    alarm: false,
  };
}

function lost(worker: Known, now: number): NewEvent {
  // When its last heartbeat came is not known any more.
  const since = worker.at > 0 ? `, started ${formatDuration(now - worker.at)} ago,` : '';
  const text = `worker ${worker.name} on ${worker.host}${since} was lost: it sends no heartbeat`;
  return { kind: 'worker-lost', ...about(worker), text, alarm: true };
}

function returned(worker: Known): NewEvent {
  const text = `worker ${worker.name} sends heartbeats again`;
  return { kind: 'worker-returned', ...about(worker), text, alarm: false };
}
