import type { FastifyReply } from 'fastify';

/** Adds a header of requests to those that an answer depends on; Fastify would replace what there is. */
export function vary(reply: FastifyReply, header: string): FastifyReply {
  const before = reply.getHeader('vary');
  return reply.header('vary', before === undefined ? header : `${String(before)}, ${header}`);
}
