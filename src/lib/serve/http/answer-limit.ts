import type { FastifyReply, FastifyRequest } from 'fastify';
import { InferError } from '../../core/errors.js';

/**
 * Gives a request the signal `request.signal`. It fires when the caller disconnects, or when the response
 * takes too long; the caller then gets 503. Fastify's own signal fires as soon as the body has been read,
 * because the request is a stream, which closes then.
 * @param answerMs until the response begins; a streamed response may take any time
 */
export function limitAnswer(request: FastifyRequest, reply: FastifyReply, answerMs: number): void {
  const over = new AbortController();
  const { raw } = reply;
  const timer = setTimeout(() => {
    const late = new InferError('HTTP_LATE', 'the server could not answer in time', { hint: 'ask again' });
    over.abort(late);
    if (!reply.sent) reply.send(late);
  }, answerMs);
  timer.unref();
  // Responses that may take any time declare it before they begin.
  if (request.routeOptions.config.endless === true) clearTimeout(timer);
  raw.once('close', () => {
    clearTimeout(timer);
    if (!raw.writableFinished) over.abort(new InferError('HTTP_LEFT', 'the caller disconnected'));
  });
  Object.defineProperty(request, 'signal', { value: over.signal, configurable: true });
}
