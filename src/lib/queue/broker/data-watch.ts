import { InferError } from '../../core/errors.js';
import { idTime, printable } from '../../core/job.js';
import { serverTime } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { type DataLoss, DataMark, lossText, lossThatTook, markedQueues, readLosses } from '../data-mark.js';

/** A client that is used looks this often, beside what it is asked to do, in ms. */
const LOOK_MS = 1000;

const watches = new WeakMap<RedisClient, DataWatch>();

/** Keeps watch for a client that the data in Redis is what it was. */
export class DataWatch {
  /** By queue; the installation's under undefined. */
  private readonly marks = new Map<string | undefined, { mark: DataMark; lookedAt: number }>();

  private readonly listeners: ((loss: DataLoss) => void)[] = [];

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {
    watches.set(client, this);
  }

  /** Tells `listener` once of each loss that is noted after the first look. */
  onLoss(listener: (loss: DataLoss) => void): void {
    this.listeners.push(listener);
  }

  /** A queue is used: looks, once a second at most. No one waits for it. */
  note(queue: string): void {
    const now = performance.now();
    for (const entry of this.marksOf(queue)) {
      if (now - entry.lookedAt < LOOK_MS) continue;
      entry.lookedAt = now;
      // A user without the right, or a Redis that is full or away: the look is not missed, the next may be answered.
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

/** A client uses a queue: where watch is kept for it, it looks. */
export function noteUse(client: RedisClient, queue: string): void {
  watches.get(client)?.note(queue);
}

/** Has `listener` told of losses that the watch kept for a client sees. */
export function onLoss(client: RedisClient, listener: (loss: DataLoss) => void): void {
  watches.get(client)?.onLoss(listener);
}

/**
 * The loss that took what was written to a queue at a moment, ms since the epoch; undefined when none did, or this
 * user may not look.
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
 * JOB_LOST (66): why a job or group is not there, where Redis lost it.
 * @param seenAt when it is known to have been there, ms since the epoch [when its id was made, if that tells]
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
