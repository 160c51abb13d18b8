import type { FastifyReply } from 'fastify';
import type { BodyMemory } from './body-memory.js';

/** Results of a request that are smaller together do not count: about as much is buffered for any connection. */
const SMALL_BYTES = 65_536;

/**
 * The memory for large results that one request uses until its response is sent. Every route that sends a
 * result counts it here, whether it reads a stored one or waits for a new one.
 */
export interface HeldResult {
  /** Called with the size of each result before it is read. @throws Refusal BODIES_FULL (503). */
  readonly take: (bytes: number) => void;
  /**
   * Called before work that will have a result of at least this size, so that it does not run in vain.
   * @throws Refusal BODIES_FULL (503) if there is no room now; reserves nothing.
   */
  check(bytes: number): void;
  /**
   * Called with the size of a response that is in memory as a whole: as text it may be several times as large
   * as the result. Refuses nothing, since the work is done.
   */
  sends(bytes: number): void;
}

/**
 * Memory for the results of one request, which is released when its response has been sent or its caller
 * disconnects. Results larger than the limit have room while those of other requests take none: they could
 * never be read otherwise.
 */
export function holdResults(reply: FastifyReply, memory: BodyMemory): HeldResult {
  /** Bytes of all its results, and how many of them are counted: all or none. */
  let read = 0;
  let counted = 0;
  let isOver = false;
  const check = (bytes: number): void => {
    const more = countable(read + bytes) - counted;
    const isAlone = memory.bytes === counted;
    if (!isOver && more > 0 && !isAlone) memory.check(more);
  };
  const count = (bytes: number): void => {
    const more = bytes - counted;
    if (isOver || more <= 0) return;
    memory.add(more);
    counted += more;
  };
  reply.raw.once('close', () => {
    isOver = true;
    memory.free(counted);
  });
  return {
    take: (bytes) => {
      check(bytes);
      read += bytes;
      count(countable(read));
    },
    check,
    sends: (bytes) => count(countable(bytes)),
  };
}

function countable(bytes: number): number {
  return bytes >= SMALL_BYTES ? bytes : 0;
}
