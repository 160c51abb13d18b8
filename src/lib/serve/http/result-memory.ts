import type { FastifyReply } from 'fastify';
import type { ChunkMemory } from '../../client/types.js';
import type { BodyMemory } from './body-memory.js';

/** Results of a request that are smaller together do not count: about as much is buffered for any connection. */
const SMALL_BYTES = 65_536;
/** Most chunks of a group are smaller. */
const CHUNK_BYTES = 1024 * 1024;

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
  /** For a group, whose chunks are read while they are sent: fewer ahead where there is little room. */
  readonly chunks: ChunkMemory;
}

/**
 * Memory for the results of one request, which is released when its response has been sent or its caller
 * disconnects. Results larger than the limit have room while those of other requests take none: they could
 * never be read otherwise.
 */
export function holdResults(reply: FastifyReply, memory: BodyMemory): HeldResult {
  /** Bytes of all its results, of its response if that is larger, and how many of them are counted. */
  let read = 0;
  let sent = 0;
  let counted = 0;
  let isOver = false;
  const check = (bytes: number): void => {
    const more = countable(read + bytes) - counted;
    const isAlone = memory.bytes === counted;
    if (!isOver && more > 0 && !isAlone) memory.check(more);
  };
  const recount = (change = 0): void => {
    read += change;
    const total = isOver ? 0 : countable(Math.max(read, sent));
    memory.add(total - counted);
    counted = total;
  };
  reply.raw.once('close', () => {
    isOver = true;
    recount();
  });
  return {
    take: (bytes) => {
      check(bytes);
      recount(bytes);
    },
    check,
    sends: (bytes) => {
      sent = Math.max(sent, bytes);
      recount();
    },
    chunks: {
      get hasRoom() {
        return memory.hasRoom(CHUNK_BYTES);
      },
      took: recount,
      gave: (bytes) => recount(-bytes),
    },
  };
}

function countable(bytes: number): number {
  return bytes >= SMALL_BYTES ? bytes : 0;
}
