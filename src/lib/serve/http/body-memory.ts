import type { FastifyReply } from 'fastify';
import { formatBytes } from '../../core/units.js';
import { Refusal, retryAfter } from './refusal.js';

/** Time after which to retry, ms: requests with large bodies take about a second. */
const AGAIN_MS = 2000;

/**
 * Limits the bytes of request bodies in memory, or those of large results. Without it, many uploads at once,
 * or many slow readers, could use any amount of memory. Each has its own: slow readers of results would
 * otherwise keep new work from being read.
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

  hasRoom(bytes: number): boolean {
    return this.held + bytes <= this.most;
  }

  /** @throws Refusal BODIES_FULL (503) if so many more bytes have no room. */
  check(bytes: number): void {
    if (this.hasRoom(bytes)) return;
    throw new Refusal('BODIES_FULL', `${this.what} already take ${formatBytes(this.held)} of memory`, {
      hint: 'send it again after the time in Retry-After, or start the server with a higher --max-bodies',
      headers: { 'retry-after': retryAfter(AGAIN_MS) },
    });
  }

  /** Counts bytes whether or not there is room for them. */
  add(bytes: number): void {
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

/**
 * Memory for the body of one request, which is released when its response has been sent or its caller
 * disconnects.
 */
export function holdBytes(reply: FastifyReply, memory: BodyMemory): HeldBytes {
  let taken = 0;
  let isOver = false;
  const take = (bytes: number): void => {
    // The caller has disconnected: data that still arrives is discarded.
    if (isOver) return;
    memory.check(bytes);
    memory.add(bytes);
    taken += bytes;
  };
  reply.raw.once('close', () => {
    isOver = true;
    memory.free(taken);
  });
  return { take };
}
