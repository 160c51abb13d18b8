import { InferError } from '../../core/errors.js';
import { idTime, printable } from '../../core/job.js';
import { serverTime } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { type DataLoss, DataMark, lossText, lossThatTook, markedQueues, readLosses } from '../data-mark.js';

/** How often a client in use looks, in addition to its own commands, in ms. */
const LOOK_MS = 1000;

const watches = new WeakMap<RedisClient, DataWatch>();

/** Watches, on behalf of a client, whether Redis has lost data. */
export class DataWatch {
  /** By queue; the installation's under undefined. */
  private readonly marks = new Map<string | undefined, { mark: DataMark; lookedAt: number }>();

  private readonly listeners = new Set<(loss: DataLoss) => void>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {
    watches.set(client, this);
  }

  /** Calls `listener` once for each loss that is recorded after the first look. @returns stops it */
  onLoss(listener: (loss: DataLoss) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Listeners that have not been stopped. */
  get heardBy(): number {
    return this.listeners.size;
  }

  /** Called when a queue is used: looks, at most once a second. No caller waits for it. */
  note(queue: string): void {
    const now = performance.now();
    for (const entry of this.marksOf(queue)) {
      if (now - entry.lookedAt < LOOK_MS) continue;
      entry.lookedAt = now;
      // The user lacks the right, or Redis is full or unreachable: a failed look does no harm, the next may
      // succeed.
      entry.mark.look().catch(() => undefined);
    }
  }

  /** Looks now. */
  async look(queue: string | undefined): Promise<void> {
    await Promise.all(this.marksOf(queue).map(({ mark }) => mark.look().catch(() => undefined)));
  }

  private marksOf(queue: string | undefined): { mark: DataMark; lookedAt: number }[] {
    return markedQueues(this.client, queue === undefined ? [] : [queue]).map((one) => {
      let entry = this.marks.get(one);
      if (entry === undefined) {
        const mark = new DataMark(this.client, this.prefix, one, (loss) => {
          for (const tell of this.listeners) tell(loss);
        });
        entry = { mark, lookedAt: Number.NEGATIVE_INFINITY };
        this.marks.set(one, entry);
      }
      return entry;
    });
  }
}

/** A client uses a queue: if its data is being watched, look now. */
export function noteUse(client: RedisClient, queue: string): void {
  watches.get(client)?.note(queue);
}

/** Registers `listener` for losses seen by the watch of a client. @returns stops it */
export function onLoss(client: RedisClient, listener: (loss: DataLoss) => void): () => void {
  return watches.get(client)?.onLoss(listener) ?? (() => undefined);
}

/**
 * The loss that destroyed what was written to a queue at a moment, ms since the epoch; undefined when there
 * is none, or this user may not look.
 */
async function lossSince(
  client: RedisClient,
  prefix: string,
  writtenAt: number,
  queue?: string,
): Promise<DataLoss | undefined> {
  await watches.get(client)?.look(queue);
  const losses = await readLosses(client, prefix, queue === undefined ? [] : [queue]).catch(() => []);
  return lossThatTook(losses, writtenAt, queue);
}

/**
 * JOB_LOST (66): why a job or group no longer exists, if Redis lost it.
 * @param seenAt when it is known to have existed, ms since the epoch [when its id was created, if the id
 *   tells]
 */
export async function jobLost(
  client: RedisClient,
  prefix: string,
  id: string,
  { queue, seenAt = idTime(id) }: { queue?: string | undefined; seenAt?: number | undefined } = {},
): Promise<InferError | undefined> {
  const loss = seenAt === undefined ? undefined : await lossSince(client, prefix, seenAt, queue);
  if (loss === undefined) return undefined;
  return new InferError('JOB_LOST', `${printable(id)} is gone: ${lossText(loss, serverTime())}`, {
    hint: 'submit it again',
  });
}
