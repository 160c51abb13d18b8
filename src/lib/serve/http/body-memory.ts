import type { FastifyReply, FastifyRequest } from 'fastify';
import { formatBytes } from '../../core/units.js';
import { Refusal, retryAfter } from './refusal.js';

/** Requests with large bodies take about a second; nothing better is known. */
const AGAIN_MS = 2000;

/**
 * The bytes of request bodies that a server holds in memory. Many uploads at once would otherwise take as
 * much memory as their callers like.
 */
export class BodyMemory {
  private held = 0;

  /** @param most bytes of all bodies together */
  constructor(private readonly most: number) {}

  /** Bytes held now. */
  get bytes(): number {
    return this.held;
  }

  /** @throws Refusal BODIES_FULL (503); then nothing is taken. */
  take(bytes: number): void {
    if (this.held + bytes > this.most) {
      throw new Refusal('BODIES_FULL', `bodies of ${formatBytes(this.held)} are being worked on`, {
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

/** The part of a `BodyMemory` that one request has, until it is answered: its input is needed that long. */
export interface HeldBody {
  /** Before so many bytes are read. @throws Refusal BODIES_FULL (503). */
  take(bytes: number): void;
}

/** Gives a request its `heldBody`; what it took is free when it is answered. */
export function holdBody(request: FastifyRequest, reply: FastifyReply, memory: BodyMemory): void {
  let taken = 0;
  let isOver = false;
  request.heldBody = {
    take: (bytes) => {
      // The caller has left: what is still read goes nowhere.
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
