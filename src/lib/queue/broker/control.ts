import type { RunnerBounds } from '../../config/runner-bounds.js';
import { answerWithin } from '../../core/bounded.js';
import { newId } from '../../core/job.js';
import { closeClient } from '../../redis/connect.js';
import type { RedisClient } from '../../redis/types.js';
import { controlKey, controlReplyKey, controlRequestKey, requestKey } from '../keys.js';
import { requestToken, writeOnce } from './once.js';

/** What a worker can be told to do. */
export type Order =
  /** Finish the started jobs, take no more, exit. */
  | { verb: 'drain' }
  /** Requeue everything at once and exit. */
  | { verb: 'stop' }
  /** Drain, then reopen in the same process with models and settings reloaded. */
  | { verb: 'restart' }
  | { verb: 'set'; what: 'concurrency'; value: number }
  /** Only for a worker with autoscale bounds. */
  | { verb: 'set'; what: 'autoscale'; value: RunnerBounds }
  /** null: learned from run times. */
  | { verb: 'set'; what: 'max-batch'; value: number | null }
  | { verb: 'set'; what: 'log-level'; value: string }
  /** A model, or another of its versions [the highest]. */
  | { verb: 'load'; model: string; version?: number | undefined }
  | { verb: 'unload'; model: string; force: boolean };

export interface ControlRequest {
  id: string;
  order: Order;
  /** Say what would happen, without doing it. */
  dryRun: boolean;
  /** The sender, for the worker's log. */
  who: string;
}

/** A worker's answer to a request. */
export interface ControlAnswer {
  /** The worker's id. */
  worker: string;
  ok: boolean;
  /** What it did or why not, in words. */
  text: string;
  /** For a refusal. */
  code?: string | undefined;
  hint?: string | undefined;
  /** Not finished: another answer follows. */
  working?: true | undefined;
}

/** Seconds that replies, and requests to a worker that has exited, are kept after the last write. */
const LEFTOVER_SECONDS = 60;
/** Seconds one blocking read lasts; well below the time after which a silent connection counts as dead. */
const BLOCK_SECONDS = 5;

/** A worker's end of the control channel: a list of request ids, read on its own connection. */
export class ControlInbox {
  constructor(
    private readonly client: RedisClient,
    /** A `blocking` connection of this inbox alone, which closes it. */
    private readonly blocking: RedisClient,
    private readonly prefix: string,
    private readonly workerId: string,
  ) {}

  /**
   * The next request, or undefined when none came for a while. A request whose sender has stopped waiting has
   * expired by then, so a worker that was suspended does not act on it.
   */
  async next(): Promise<ControlRequest | undefined> {
    const heard = await this.blocking.blpop(controlKey(this.prefix, this.workerId), BLOCK_SECONDS);
    if (heard === null) return undefined;
    const json = await this.client.get(controlRequestKey(this.prefix, heard[1]));
    return json === null ? undefined : (JSON.parse(json) as ControlRequest);
  }

  async answer(request: ControlRequest, answer: Omit<ControlAnswer, 'worker'>): Promise<void> {
    const list = controlReplyKey(this.prefix, request.id);
    await push(this.client, this.prefix, list, JSON.stringify({ worker: this.workerId, ...answer }));
  }

  /** Closes its own connection: a pending `next` fails. */
  close(): Promise<void> {
    return closeClient(this.blocking);
  }
}

export interface AskOptions {
  /** Longest silence in ms: a worker that has not finished says so every second. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Called with every answer as it arrives, including interim ones. */
  onAnswer?: ((answer: ControlAnswer) => void) | undefined;
}

/**
 * Sends an order to workers and collects their final answers by worker id, until all have answered or none
 * has said anything for the given time. Orders not read by then are withdrawn.
 * @param blocking a `blocking` connection that nothing else uses meanwhile.
 */
export async function askWorkers(
  client: RedisClient,
  blocking: RedisClient,
  prefix: string,
  workers: readonly string[],
  request: Omit<ControlRequest, 'id'>,
  options: AskOptions,
): Promise<Map<string, ControlAnswer>> {
  const id = newId('j').replace(/^j/, 'c');
  const { timeoutMs, signal } = options;
  const body: ControlRequest = { id, ...request };
  const waitMs = Math.max(1, Math.ceil(timeoutMs));
  const answers = new Map<string, ControlAnswer>();
  try {
    await client.set(controlRequestKey(prefix, id), JSON.stringify(body), 'PX', waitMs);
    await Promise.all(workers.map((worker) => push(client, prefix, controlKey(prefix, worker), id)));
    let silentSince = performance.now();
    const left = (): number => timeoutMs - (performance.now() - silentSince);
    while (answers.size < workers.length && left() > 0 && signal?.aborted !== true) {
      const answer = await nextAnswer(blocking, controlReplyKey(prefix, id), left(), signal);
      if (answer === undefined) continue;
      silentSince = performance.now();
      options.onAnswer?.(answer);
      if (answer.working !== true) answers.set(answer.worker, answer);
    }
  } finally {
    const silent = workers.filter((worker) => !answers.has(worker));
    await Promise.all([
      client.del(controlRequestKey(prefix, id), controlReplyKey(prefix, id)),
      ...silent.map((worker) => client.lrem(controlKey(prefix, worker), 1, id)),
    ]).catch(() => undefined);
  }
  signal?.throwIfAborted();
  return answers;
}

/** Once, so that no worker acts on an order twice, and no list is left behind without a reader. */
function push(client: RedisClient, prefix: string, list: string, word: string): Promise<void> {
  const request = requestKey(`{${prefix}}`, requestToken());
  return writeOnce(client, request, ['RPUSH', list, word], LEFTOVER_SECONDS);
}

/** One answer, or undefined when none came in time or the connection was lost. */
async function nextAnswer(
  blocking: RedisClient,
  list: string,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<ControlAnswer | undefined> {
  const seconds = Math.min(BLOCK_SECONDS, Math.max(0.01, ms / 1000));
  // On a lost connection, the read would otherwise last until Redis is back.
  const heard = await answerWithin(seconds * 1000 + 100, blocking.blpop(list, seconds), () => null, signal);
  return heard === null ? undefined : (JSON.parse(heard[1]) as ControlAnswer);
}
