import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** Parts of a longer body are not joined: that would take its memory once more. */
const LARGE_BYTES = 65_536;

/**
 * Sends a body that is in parts, with its length.
 * @param length of all parts, bytes
 */
export function sendParts(
  reply: FastifyReply,
  parts: readonly Uint8Array[],
  length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
): FastifyReply {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return reply.send(only);
  if (length < LARGE_BYTES) return reply.send(Buffer.concat(parts, length));
  reply.request.heldResult?.sends(length);
  return reply.header('content-length', length).send(Readable.from(parts));
}
