import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Responses to requests whose callers wait for 100 before they send the body. */
const waiting = new WeakMap<object, ServerResponse>();

/**
 * Answers `Expect: 100-continue` when the body is about to be read, not at once as Node does: a request that
 * is refused before that gets its final status, and its caller does not send the body. Other expectations are
 * ignored, as RFC 9110 allows; Node would answer 417, without a body.
 */
export function continueWhenRead(server: Server): void {
  const handle = (request: IncomingMessage, response: ServerResponse) =>
    server.emit('request', request, response);
  server.on('checkExpectation', handle);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.set(request, response);
    handle(request, response);
  });
}

/** The body of a request is about to be read: its caller may send it. */
export function awaitBody(request: object): void {
  const response = waiting.get(request);
  if (response === undefined) return;
  waiting.delete(request);
  if (!response.headersSent && !response.destroyed) response.writeContinue();
}
