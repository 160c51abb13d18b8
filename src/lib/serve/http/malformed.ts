import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import { problemOf } from './problem.js';

/** An answered request that Node's parser refused, so that no route and no hook saw it. */
export interface RefusedRequest {
  /** As in the response. */
  id: string;
  socket: Socket;
  status: number;
  code: ErrorCode;
  /** Bytes of the response. */
  sent: number;
}

/** Who counts and logs such requests. */
export interface RefusalObserver {
  /** Id of the open request on a connection: its body is malformed or late. */
  idOn(socket: Socket): string | undefined;
  /** The end of the requests on a connection that arrived whole and are not answered yet; undefined without any. */
  answered(socket: Socket): Promise<unknown> | undefined;
  refused(request: RefusedRequest): void;
}

interface MalformedOptions {
  basePath: string;
  observer: RefusalObserver | undefined;
  /** Headers of every response. */
  headersOf(requestId: string): Readonly<Record<string, string>>;
}

/** Status, reason, code and text by Node's error code; anything else is no HTTP. */
const BY_ERROR: Readonly<Record<string, readonly [number, string, ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'HTTP_REQUEST', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'HTTP_SLOW', 'the request did not arrive in time'],
};
const NO_HTTP = [400, 'Bad Request', 'HTTP_REQUEST', 'what was sent is no HTTP request'] as const;

/** Connections whose refusal waits for the answers to earlier requests; Node reports the error at each further piece. */
const waiting = new WeakSet<Socket>();

/**
 * Responds on the raw connection: the data was not a request, or it did not arrive in time. Requests that came whole
 * before it on the connection are answered first, since a client takes the responses in the order of its requests.
 */
export function refuseMalformed(
  error: NodeJS.ErrnoException,
  socket: Socket,
  options: MalformedOptions,
): void {
  const { code: cause = '' } = error;
  if (cause === 'ECONNRESET' || socket.destroyed || waiting.has(socket)) return;
  const { _httpMessage: open } = socket as { _httpMessage?: { headersSent: boolean } };
  const earlier = open?.headersSent ? undefined : options.observer?.answered(socket);
  if (earlier === undefined) return void refuse(cause, socket, options);
  waiting.add(socket);
  void earlier.then(() => {
    if (!socket.destroyed) refuse(cause, socket, options);
  });
}

function refuse(cause: string, socket: Socket, { basePath, observer, headersOf }: MalformedOptions): void {
  const { _httpMessage: open } = socket as { _httpMessage?: { headersSent: boolean } };
  // It would corrupt the response to an earlier request, which has begun.
  if (open?.headersSent || !socket.writable || isOfTls(cause)) return void socket.destroy();
  const [status, reason, code, text] = BY_ERROR[cause] ?? NO_HTTP;
  const id = observer?.idOn(socket) ?? randomUUID();
  const body = JSON.stringify({ ...problemOf(new InferError(code, text), '/', basePath), status });
  const headers = {
    ...headersOf(id),
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const response = `HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${body}`;
  socket.end(response);
  // A connection on which nothing was sent, as browsers open them ahead, is no request.
  if (socket.bytesRead === 0) return;
  observer?.refused({ id, socket, status, code, sent: Buffer.byteLength(response) });
}

/** A handshake that failed: there is nothing to answer on. */
function isOfTls(cause: string): boolean {
  return cause.startsWith('ERR_SSL_') || cause.startsWith('ERR_TLS_');
}
