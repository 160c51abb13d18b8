import type { FastifyReply, FastifyRequest } from 'fastify';
import { formatBytes } from '../../core/units.js';
import { Refusal, retryAfter } from './refusal.js';

/** Time after which to retry, ms: requests with large bodies take about a second. */
const AGAIN_MS = 2000;

/**
 * Limits the bytes of request bodies in memory. Without it, many uploads at once could use any amount of
 * memory.
 */
export class BodyMemory {
  private held = 0;

  /** @param most limit in bytes of all bodies together */
  constructor(private readonly most: number) {}

  /** Bytes in use. */
  get bytes(): number {
    return this.held;
  }

  /** @throws Refusal BODIES_FULL (503); then nothing is reserved. */
  take(bytes: number): void {
    if (this.held + bytes > this.most) {
      throw new Refusal('BODIES_FULL', `request bodies already take ${formatBytes(this.held)} of memory`, {
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

/** The part of a `BodyMemory` that one request uses until its response is sent, since it needs its input. */
export interface HeldBody {
  /** Called before this many bytes are read. @throws Refusal BODIES_FULL (503). */
  take(bytes: number): void;
}

/** Adds `heldBody` to a request; its memory is released when the response has been sent. */
export function holdBody(request: FastifyRequest, reply: FastifyReply, memory: BodyMemory): void {
  let taken = 0;
  let isOver = false;
  request.heldBody = {
    take: (bytes) => {
      // The caller has disconnected: data that still arrives is discarded.
      if (isOver) return;
      memory.take(bytes);
      taken += bytes;
    },
  };
  reply.raw.once('close', () => {
    isOver = true;
    memory.free(taken);
  });
}
