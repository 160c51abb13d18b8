import { availableParallelism, hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadedSettings } from '../config/load.js';
import { answerWithin } from '../core/bounded.js';
import { type Clock, systemClock } from '../core/clock.js';
import { InferError } from '../core/errors.js';
import { type QueueSnapshot, snapshotQueues } from '../queue/read/inspector.js';
import { type ActiveJob, listActive } from '../queue/read/job-active.js';
import { parseJobFilter } from '../queue/read/job-filter.js';
import { listWorkers } from '../queue/registry.js';
import { listStarting, type StartingWorker } from '../queue/starting.js';
import type { WorkerRecord } from '../queue/types.js';
import { closeClient, connect, resolveTarget } from '../redis/connect.js';
import { type ContainerKind, containerKind } from '../redis/container.js';
import { connectionSettings } from '../redis/from-settings.js';
import { type RedisFacts, readInfo } from '../redis/info.js';
import { serverNow } from '../redis/server-clock.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { askNvidia, type NvidiaAnswer } from './nvidia.js';
import { Unmet } from './unmet.js';

/** The machine as checks see it; tests use another one. */
export interface Machine {
  /** Root of the file system. */
  root: string;
  /** Environment of programs run by checks; undefined: this process's own. */
  env?: NodeJS.ProcessEnv | undefined;
  host: string;
  cores: number;
  /** Where ONNX Runtime's native libraries are; undefined: where they are installed. */
  onnxDir?: string | undefined;
}

export interface RedisLink {
  client: RedisClient;
  target: RedisTarget;
}

/** The result of connecting to Redis: a connection, or the error. */
export type Reach = { link: RedisLink } | { error: InferError };

/** Queues, workers and running jobs at one moment. */
export interface Sample {
  at: number;
  queues: QueueSnapshot[];
  workers: WorkerRecord[];
  /** Workers that are loading their models. */
  starting: StartingWorker[];
  active: ActiveJob[];
}

/** The data for checks. Everything is read on first use and shared by all of them. */
export interface DoctorContext {
  readonly loaded: LoadedSettings;
  /** Problems in the settings. */
  readonly problems: readonly InferError[];
  /** Version of this infer. */
  readonly version: string;
  /** Topics and checks given by the user. */
  readonly named: readonly string[];
  readonly clock: Clock;
  readonly machine: Machine;
  readonly container: ContainerKind | undefined;
  reach(): Promise<Reach>;
  /** The connection. @throws Unmet when there is none. */
  redis(): Promise<RedisLink>;
  /** INFO. @throws Unmet without a connection, or without the right to ask. */
  facts(): Promise<RedisFacts>;
  /** Two looks, a good second apart, which reveal what is stuck. @throws Unmet without a connection. */
  samples(): Promise<{ first: Sample; second: Sample }>;
  nvidia(): Promise<NvidiaAnswer>;
  close(): Promise<void>;
}

export interface ContextOptions {
  loaded: LoadedSettings;
  version: string;
  problems?: readonly InferError[];
  named?: readonly string[];
  clock?: Clock;
  machine?: Partial<Machine>;
}

/** Shorter than the time limit of a check, so that Redis's answer is reported rather than a timeout. */
const CONNECT_MS = 2500;
const REACH_MS = 4500;
/** Workers beat every second. */
const BETWEEN_LOOKS_MS = 1250;
const NVIDIA_MS = 4000;

/** More are never needed to detect a problem. */
const ACTIVE_JOBS = 1000;

async function activeOf(client: RedisClient, prefix: string): Promise<ActiveJob[]> {
  return (await listActive(client, prefix, parseJobFilter({ state: ['active'] }), ACTIVE_JOBS)).jobs;
}

export function openContext(options: ContextOptions): DoctorContext {
  const { loaded, clock = systemClock } = options;
  const { prefix } = loaded.values;
  const machine: Machine = { root: '/', host: hostname(), cores: availableParallelism(), ...options.machine };
  const container = containerKind({ kubernetes: loaded.kubernetes, root: machine.root });
  const ending = new AbortController();

  const open = once(() => openLink(loaded, container, ending.signal));
  const reach = once(() => within(REACH_MS, open()));
  const redis = async (): Promise<RedisLink> => {
    const found = await reach();
    if ('error' in found) throw new Unmet('there is no Redis to ask');
    return found.link;
  };
  const sample = async (): Promise<Sample> => {
    const { client } = await redis();
    const at = await permitted(client, serverNow(client));
    const [queues, workers, starting] = await permitted(
      client,
      Promise.all([
        snapshotQueues(client, prefix, at),
        listWorkers(client, prefix),
        listStarting(client, prefix, at),
      ]),
    );
    const active = await permitted(client, activeOf(client, prefix));
    return { at, queues, workers, starting, active };
  };
  return {
    loaded,
    problems: options.problems ?? [],
    version: options.version,
    named: options.named ?? [],
    clock,
    machine,
    container,
    reach,
    redis,
    facts: once(async () => {
      const { client } = await redis();
      return permitted(client, readInfo(client));
    }),
    samples: once(async () => {
      const first = await sample();
      await delay(BETWEEN_LOOKS_MS, undefined, { signal: ending.signal });
      return { first, second: await sample() };
    }),
    nvidia: once(() => askNvidia({ timeoutMs: NVIDIA_MS, env: machine.env })),
    close: async () => {
      ending.abort();
      const found = await open.started();
      if (found !== undefined && 'link' in found) await closeClient(found.link.client);
    },
  };
}

/** Awaits reading; a missing right is not a fault of what is read. `redis-rights` reports it. */
export async function permitted<T>(client: RedisClient, work: Promise<T>): Promise<T> {
  try {
    return await worded(client, work);
  } catch (error) {
    if (error instanceof InferError && error.code === 'REDIS_PERMISSION') throw new Unmet(error.message);
    throw error;
  }
}

async function openLink(
  loaded: LoadedSettings,
  container: ContainerKind | undefined,
  signal: AbortSignal,
): Promise<Reach> {
  const settings = {
    ...connectionSettings(loaded, false),
    connectTimeoutMs: CONNECT_MS,
    inContainer: container !== undefined,
  };
  try {
    const target = await resolveTarget(settings);
    return { link: { target, client: await connect(target, 'command', settings, { signal }) } };
  } catch (error) {
    if (error instanceof InferError) return { error };
    if (signal.aborted) return { error: new InferError('INTERRUPTED', 'given up') };
    throw error;
  }
}

function within(ms: number, work: Promise<Reach>): Promise<Reach> {
  return answerWithin(ms, work, () => ({
    error: new InferError('REDIS_TIMEOUT', `Redis gives no answer in ${ms / 1000} s`, {
      hint: 'check the address, the name service and the network between',
    }),
  }));
}

interface Once<T> {
  (): Promise<T>;
  /** The result, if it has been started; undefined when it was not, or failed. */
  started(): Promise<T | undefined>;
}

/** The same promise for every caller. */
function once<T>(make: () => Promise<T>): Once<T> {
  let made: Promise<T> | undefined;
  const ask = (): Promise<T> => {
    if (made === undefined) {
      made = make();
      // The check that asked for it may have timed out by then.
      made.catch(() => undefined);
    }
    return made;
  };
  return Object.assign(ask, { started: async () => made?.catch(() => undefined) });
}
