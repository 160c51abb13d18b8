import type { FastifyReply, FastifyRequest } from 'fastify';
import { InferError } from '../../core/errors.js';

/**
 * Gives a request the signal `request.signal`, which fires when its caller has left or its answer takes too long; the caller
 * then gets 503. Fastify's own fires as soon as the body has been read, since the request, as a stream, closes then.
 * @param answerMs for an answer that begins; one that is sent in pieces may take as long as it likes
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
  // Answers that take their time say so before they begin.
  if (request.routeOptions.config.endless === true) clearTimeout(timer);
  raw.once('close', () => {
    clearTimeout(timer);
    if (!raw.writableFinished) over.abort(new InferError('HTTP_LEFT', 'the caller has left'));
  });
  Object.defineProperty(request, 'signal', { value: over.signal, configurable: true });
}
