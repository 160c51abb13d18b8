import type { FastifyReply, FastifyRequest } from 'fastify';
import { formatBytes } from '../../core/units.js';
import { Refusal, retryAfter } from './refusal.js';

/** Time after which to retry, ms: requests with large bodies take about a second. */
const AGAIN_MS = 2000;

/** Smaller results do not count: about as much is buffered for any connection. */
const SMALL_RESULT = 65_536;

/**
 * Limits the bytes of request bodies in memory, or those of large results. Without it, many uploads at once,
 * or many slow readers, could use any amount of memory.
 */
export class BodyMemory {
  private held = 0;

  /** @param most limit in bytes of all of them together */
  constructor(
    private readonly most: number,
    private readonly what: 'request bodies' | 'large results' = 'request bodies',
  ) {}

  /** Bytes in use. */
  get bytes(): number {
    return this.held;
  }

  /**
   * A result larger than the limit has room while there is no other: it could never be read otherwise.
   * @throws Refusal BODIES_FULL (503); then nothing is reserved.
   */
  take(bytes: number): void {
    const isAlone = this.what === 'large results' && this.held === 0;
    if (!isAlone && this.held + bytes > this.most) {
      throw new Refusal('BODIES_FULL', `${this.what} already take ${formatBytes(this.held)} of memory`, {
        hint: 'send it again after the time in Retry-After, or start the server with a higher --max-bodies',
        headers: { 'retry-after': retryAfter(AGAIN_MS) },
      });
    }
    this.held += bytes;
  }

  free(bytes: number): void {
    this.held -= bytes;
  }
}

/** The part of a `BodyMemory` that one request uses until its response is sent. */
export interface HeldBytes {
  /** Called before this many bytes are read. @throws Refusal BODIES_FULL (503). */
  take(bytes: number): void;
}

/** Memory of one request, which is released when its response has been sent or its caller disconnects. */
export function holdBytes(reply: FastifyReply, memory: BodyMemory): HeldBytes {
  let taken = 0;
  let isOver = false;
  const take = (bytes: number): void => {
    // The caller has disconnected: data that still arrives is discarded.
    if (isOver) return;
    memory.take(bytes);
    taken += bytes;
  };
  reply.raw.once('close', () => {
    isOver = true;
    memory.free(taken);
  });
  return { take };
}

/** What a request calls with the size of a result before it is read, if it has a limit. */
export function holdResult({ heldResult }: FastifyRequest): ((bytes: number) => void) | undefined {
  if (heldResult === undefined) return undefined;
  return (bytes) => {
    if (bytes >= SMALL_RESULT) heldResult.take(bytes);
  };
}
