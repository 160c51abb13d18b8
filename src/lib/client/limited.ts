import { bounded, type WaitLimits } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { formatDuration } from '../core/units.js';
import { explain } from '../redis/connect.js';
import { serverTime } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { checkOptions } from './call-options.js';

/** A lookup of a model's signature, for one call or several. */
export interface ModelLookup {
  readonly model: string;
  /** Whether this process is reading the model's files; otherwise it asks Redis. */
  readonly reading: boolean;
}

/** Tracks the progress of a call and what it waits for, for the error if it takes too long. */
export class Call {
  private sent: string | undefined;
  private accepted: string | undefined;
  private seen: { id: string; at: number } | undefined;
  private look: ModelLookup | undefined;
  private rows = false;

  constructor(readonly signal: AbortSignal) {}

  /**
   * The job or group `id` is about to be written to Redis. @throws when the caller has left: then nothing is
   * written.
   */
  sends(id: string): void {
    this.signal.throwIfAborted();
    this.sent = id;
  }

  /** Redis has it: from now on the call waits. */
  waitsFor(id: string): void {
    this.accepted = id;
  }

  /** It is in Redis at this moment. */
  isThere(id: string): void {
    if (this.seen?.id !== id) this.seen = { id, at: serverTime() };
  }

  /** When it was first seen, ms since the epoch by Redis's clock; undefined when this call never saw it. */
  thereAt(id: string): number | undefined {
    return this.seen?.id === id ? this.seen.at : undefined;
  }

  /** A model lookup begins, or is joined. */
  readonly looksAt = (look: ModelLookup): void => {
    this.look = look;
  };

  /** From now on the caller's own source of rows is waited for, or (false) no longer. */
  waitsForRows(waits: boolean): void {
    this.rows = waits;
  }

  /** The error for a call that timed out before it reached Redis, because of something else. */
  lateElsewhere(timeoutMs: number): InferError | undefined {
    const given = `(given up after ${formatDuration(timeoutMs)})`;
    if (this.rows) {
      const group =
        this.sent === undefined ? '' : `; what was sent of group ${printable(this.sent)} is cancelled`;
      return new InferError('ROWS_TIMEOUT', `the next row did not arrive in time ${given}${group}`, {
        hint: 'use a longer timeoutMs, or none: it applies to all rows together',
      });
    }
    if (this.look?.reading !== true) return undefined;
    const model = printable(this.look.model);
    return new InferError(
      'MODEL_TIMEOUT',
      `model ${model} was still being read ${given}; nothing was queued`,
      {
        hint: 'use a longer timeoutMs: it is read once, and not at all while a worker serves it',
      },
    );
  }

  /**
   * The error for a call that timed out on Redis.
   * @param reason what Redis does, in words
   */
  late(reason: InferError, timeoutMs: number): InferError {
    const text = `${reason.message} (given up after ${formatDuration(timeoutMs)})`;
    if (this.accepted !== undefined) {
      const id = printable(this.accepted);
      return new InferError('WAIT_TIMEOUT', `${text}; whether ${id} has ended is not known`, {
        hint: `infer result ${id} --wait`,
      });
    }
    if (this.sent === undefined) return reason.reworded(text);
    const id = printable(this.sent);
    return reason.reworded(
      `${text}; whether ${id} was queued is not known`,
      `send it again with the id ${id}, which cannot queue it twice, or check it: infer result ${id}`,
    );
  }
}

/**
 * Runs a call within the caller's limits, even if something hangs: the connection to Redis may be open and
 * the server silent, or both unreachable for hours; a model may take long to read, and a source of rows may
 * deliver nothing. Its options are checked before it begins.
 * @param onSilent called when the time is up and the call was waiting for Redis
 * @throws InferError REDIS_TIMEOUT or REDIS_UNREACHABLE (69), WAIT_TIMEOUT (75) for a job that Redis has,
 *   MODEL_TIMEOUT or ROWS_TIMEOUT (75) where Redis is not the cause; what `checkOptions` throws; the signal's
 *   reason.
 */
export async function limited<T>(
  redis: RedisClient,
  limits: WaitLimits,
  work: (call: Call) => Promise<T>,
  onSilent: () => void,
): Promise<T> {
  checkOptions(limits);
  let call: Call | undefined;
  const begin = (signal: AbortSignal) => {
    call = new Call(signal);
    return work(call);
  };
  return bounded(begin, limits, () => {
    const elsewhere = call?.lateElsewhere(limits.timeoutMs ?? 0);
    if (elsewhere !== undefined) return elsewhere;
    onSilent();
    // A lost connection has its own reason; an open one has none, since the server just does not answer.
    const why = redis.status === 'ready' ? 'Command timed out' : 'Connection is closed.';
    return call?.late(explain(redis, new Error(why)), limits.timeoutMs ?? 0);
  });
}
