import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerWithin, settledWithin } from '../core/bounded.js';
import { InferError, messageOf } from '../core/errors.js';
import { bearerMatches, findRoute, type Reply, type RouteTable, textReply } from './routes.js';

export interface ListenOptions {
  host: string;
  /** 0 selects any free port. */
  port: number;
  routes: RouteTable;
  /** Required by every route that is not `open`; undefined: none required. */
  token?: string | undefined;
  /** Called with the error of a failed handler; the caller gets a 500 without details. */
  onFailure?: ((error: unknown) => void) | undefined;
}

export interface HttpServer {
  /** `http://127.0.0.1:9464` */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, gives those in progress half a second, then closes all connections. */
  close(): Promise<void>;
}

/** Time limit for every answer; Prometheus waits 10 s by default. */
const ANSWER_MS = 9000;
const CLOSE_MS = 500;
const MOST_CONNECTIONS = 256;

/**
 * A small server for read-only routes: GET and HEAD, no bodies, every wait bounded.
 * @throws InferError PORT_IN_USE (69), PORT_PERMISSION (77), PORT (2), naming the flag that fixes it.
 */
export async function listen(options: ListenOptions): Promise<HttpServer> {
  const server = createServer((request, response) => void answer(options, request, response));
  server.maxConnections = MOST_CONNECTIONS;
  server.requestTimeout = 10_000;
  server.headersTimeout = 5000;
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
  server.listen(options.port, options.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw explainListen(error, options);
  }
  const { port } = server.address() as AddressInfo;
  return { url: `http://${urlHost(options.host)}:${port}`, port, close: () => close(server) };
}

async function answer(
  options: ListenOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.on('error', () => gone.abort());
  request.resume(); // bodies are ignored: without this the connection could not be reused
  const reply = await within(ANSWER_MS, route(options, request, gone.signal)).catch((error: unknown) => {
    options.onFailure?.(error);
    return textReply(500, 'this failed; see what the server wrote to its standard error');
  });
  if (response.destroyed) return;
  response.writeHead(reply.status, {
    'Content-Type': reply.contentType,
    'Content-Length': Buffer.byteLength(reply.body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(reply.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...(reply.status === 405 ? { Allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}

async function route(options: ListenOptions, request: IncomingMessage, signal: AbortSignal): Promise<Reply> {
  const { routes, token } = options;
  const url = URL.canParse(request.url ?? '', 'http://host')
    ? new URL(request.url ?? '', 'http://host')
    : undefined;
  if (url === undefined) return textReply(400, 'this is not a path');
  const found = findRoute(routes, url.pathname);
  if (found === undefined) return textReply(404, `there is: ${Object.keys(routes).join(' ')}`);
  if (token !== undefined && found.route.open !== true) {
    if (!bearerMatches(request.headers.authorization, token)) {
      return textReply(
        401,
        'this needs the header Authorization: Bearer and the token of INFER_METRICS_TOKEN',
      );
    }
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return textReply(405, 'only GET and HEAD');
  return found.route.handle({ path: url.pathname, rest: found.rest, query: url.searchParams, signal });
}

function within(ms: number, reply: Promise<Reply>): Promise<Reply> {
  return answerWithin(ms, reply, () => textReply(503, 'this took too long'));
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  if (!(await settledWithin(CLOSE_MS, closed))) server.closeAllConnections();
  await closed;
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function explainListen(error: unknown, { host, port }: ListenOptions): InferError {
  const { code } = error as NodeJS.ErrnoException;
  const at = `${urlHost(host)}:${port}`;
  if (code === 'EADDRINUSE') {
    return new InferError('PORT_IN_USE', `another program already listens on ${at}`, {
      hint: `give another port, such as --port ${port < 65_535 ? port + 1 : port - 1}`,
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new InferError('PORT_PERMISSION', `this user may not listen on ${at}`, {
      hint: 'give a port above 1023, such as --port 9464',
      cause: error,
    });
  }
  return new InferError('PORT', `cannot listen on ${at}: ${code ?? messageOf(error)}`, {
    hint: 'give an address of this machine, such as --host 127.0.0.1 or --host 0.0.0.0',
    cause: error,
  });
}
