import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { InferError } from '../../core/errors.js';
import type { Caller, RouteAccess } from '../auth/caller.js';
import { limitAnswer } from './answer-limit.js';
import { KnownRoutes } from './known-routes.js';
import { answerable, problemOf } from './problem.js';
import { Refusal } from './refusal.js';
import type { RouteDoc } from './route-doc.js';
import type { ServerTls } from './server-tls.js';

/** Fastify with zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/**
 * Writes an error in the form that the clients of a route read; the default is `problemOf`. Without a status it is that of
 * the error's code.
 */
export type ErrorForm = (
  error: InferError,
  path: string,
  basePath: string | undefined,
) => { contentType: string; status?: number; body: unknown };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller must be allowed to do; `open` asks nothing of anyone, for probes. */
    access?: RouteAccess;
    errorForm?: ErrorForm;
    /** What the OpenAPI document says about it; every route of the gateway has one, or `schema.hide`. */
    doc?: RouteDoc;
    /** Its answer, or its body, comes in pieces and may take as long as it likes. */
    endless?: boolean;
  }
  interface FastifyRequest {
    /** Who asks; set before any handler of a route that is not `open`. */
    caller: Caller;
    /** Whether its token still allows it; undefined where none was asked for. */
    holds: (() => boolean) | undefined;
    /** Code of the error that it was answered with. */
    errorCode: string | undefined;
  }
}

export interface AppOptions {
  /** Largest body in bytes. */
  maxBody: number;
  /** Milliseconds after which an answer is given up, and the request's signal fires. */
  answerMs: number;
  /** A connection on which nothing moves for so many milliseconds is closed [120000]. */
  silentMs?: number | undefined;
  /** Open connections at most; more are refused. */
  connections: number;
  /** Certificate and key: HTTPS. */
  tls?: ServerTls | undefined;
  /** Path before that of every route, such as `/infer` [none]. */
  basePath?: string | undefined;
  /** Told of every request before anything else, also of those that no route or hook gets. */
  observer?: { begin(request: FastifyRequest, reply: FastifyReply): void } | undefined;
  /** Told of what was not expected; the caller gets a 500 without details. */
  onFailure: (error: unknown, request: { id: string; route: string }) => void;
}

/** Longest time for the headers of a request to come. */
const HEADERS_MS = 10_000;
/** A connection on which nothing moves for so long is closed, or for longer than any answer may take. */
const SILENT_MS = 120_000;
const BESIDE_ANSWER_MS = 30_000;
const KEEP_ALIVE_MS = 72_000;
const HEADER_BYTES = 16_384;
/** How often Node looks for requests whose headers are late. */
const LATE_LOOK_MS = 2000;
/** Time for a caller to hear that its body is not wanted, and to stop sending. */
const LINGER_MS = 3000;
/** When to come again, in seconds, where no one knows more. */
const AGAIN_S = '2';
/** Ids are 512 bytes at most, and three times that when they are percent-encoded. */
const PARAM_LENGTH = 1600;
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;

/**
 * A server without routes: errors, unknown addresses and methods, request ids and headers that every answer has.
 * Bodies are not read; see `body.ts`.
 */
export function createApp(options: AppOptions): App {
  const { tls, basePath = '' } = options;
  const app = Fastify({
    logger: false,
    bodyLimit: options.maxBody,
    connectionTimeout: options.silentMs ?? Math.max(SILENT_MS, options.answerMs + BESIDE_ANSWER_MS),
    keepAliveTimeout: KEEP_ALIVE_MS,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: requestId,
    routerOptions: { maxParamLength: PARAM_LENGTH },
    http: HEADER_LIMITS,
    ...(tls === undefined ? {} : { https: { ...HEADER_LIMITS, ...tls, minVersion: 'TLSv1.2' } }),
    ...(basePath === ''
      ? {}
      : { rewriteUrl: ({ url = '/' }: IncomingMessage) => below(url, basePath) ?? url }),
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) =>
      refuseMalformed(error, socket, basePath),
    // Addresses that are not well encoded, or too long: no hook runs for them.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      begin(options, request, reply);
      void answerError(options, error, request, reply);
    },
  } as object) as unknown as App;
  app.server.maxConnections = options.connections;
  // Node itself would answer 417, without a body. An expectation that is not known may be ignored (RFC 9110).
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.decorateRequest('caller');
  app.decorateRequest('holds');
  app.decorateRequest('errorCode');
  const known = new KnownRoutes();
  app.addHook('onRoute', ({ url, method }) => known.add(url, method));
  // An answer may be complete before a body that no one reads, and the body may never end.
  app.addHook('onResponse', async (request) => lingerOver(request));
  app.addHook('onRequest', async (request, reply) => {
    begin(options, request, reply);
    limitAnswer(request, reply, options.answerMs);
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      throw new InferError('HTTP_REQUEST', 'the request has no Host');
    if (basePath !== '' && below(request.originalUrl, basePath) === undefined) throw noSuchAddress(basePath);
  });
  app.setNotFoundHandler((request, reply) =>
    answerError(options, unknownRoute(known, request, reply), request, reply),
  );
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  return app;
}

/** What every request has, and every answer. */
function begin({ observer }: AppOptions, request: FastifyRequest, reply: FastifyReply): void {
  observer?.begin(request, reply);
  reply.headers(headersOf(request.id));
}

/** What every answer has, an error and a stream as well. */
function headersOf(requestId: string): Record<string, string> {
  return { 'x-request-id': requestId, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };
}

/** The caller's own id for its request, where it is one; it is in the answer and the log. */
function requestId({ headers }: { headers: IncomingMessage['headers'] }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

const HEADER_LIMITS = {
  // Node would refuse a request without a Host with an empty answer.
  requireHostHeader: false,
  maxHeaderSize: HEADER_BYTES,
  headersTimeout: HEADERS_MS,
  connectionsCheckingInterval: LATE_LOOK_MS,
};

/** What follows the base path in an address; undefined when it is not below it. */
function below(url: string, basePath: string): string | undefined {
  if (!url.startsWith(basePath)) return undefined;
  const rest = url.slice(basePath.length);
  if (rest === '' || rest.startsWith('?')) return `/${rest}`;
  return rest.startsWith('/') ? rest : undefined;
}

/** The path of a request as it was asked, without its query. */
export function pathOf(request: FastifyRequest): string {
  const [path = '/'] = request.originalUrl.split('?', 1);
  return path;
}

function answerError(
  options: AppOptions,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = answerable(thrown);
  const { httpStatus, fault } = error.facts;
  request.errorCode = error.code;
  if (fault === 'bug') {
    const route = `${request.method} ${request.routeOptions?.url ?? '(none)'}`;
    options.onFailure(error.cause ?? error, { id: request.id, route });
  }
  const form = request.routeOptions?.config?.errorForm ?? problemForm;
  const { contentType, status = httpStatus, body } = form(error, pathOf(request), options.basePath);
  if (error instanceof Refusal) reply.headers(error.headers);
  lingerOver(request);
  if (httpStatus === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer');
  if (httpStatus === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', AGAIN_S);
  return reply.code(status).header('content-type', contentType).send(JSON.stringify(body));
}

/**
 * Closes the connection of a request whose body is still on its way when it is refused. Not at once: the caller would
 * be told of a broken connection and not of the error.
 */
function lingerOver({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.resume();
  const hangUp = () => {
    if (!raw.complete) raw.socket.destroy();
  };
  setTimeout(hangUp, LINGER_MS).unref();
}

/** The form of errors where a route has no other: a problem of RFC 9457. */
export const problemForm: ErrorForm = (error, path, basePath) => ({
  contentType: 'application/problem+json',
  body: problemOf(error, path, basePath),
});

function unknownRoute(known: KnownRoutes, request: FastifyRequest, reply: FastifyReply): InferError {
  const [path = '/'] = request.url.split('?', 1);
  const methods = known.methodsOf(path);
  if (methods.length === 0) return noSuchAddress('');
  reply.header('allow', methods.join(', '));
  return new InferError('HTTP_METHOD', `this address takes ${methods.join(', ')}`);
}

function noSuchAddress(basePath: string): InferError {
  return new InferError('HTTP_ROUTE', 'there is nothing at this address', {
    hint: `GET ${basePath}/ lists what there is`,
  });
}

/** Answers on the bare connection: what came is no request. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket, basePath: string): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  // In the middle of an answer to a request before, another one would only garble it.
  if ((socket as { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent)
    return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  if (!socket.writable) return void socket.destroy();
  const code = status.startsWith('408') ? 'HTTP_SLOW' : 'HTTP_REQUEST';
  const text = status.startsWith('431') ? 'the headers are too large' : 'what was sent is no HTTP request';
  const problem = problemOf(new InferError(code, text), '/', basePath);
  const body = JSON.stringify({ ...problem, status: Number.parseInt(status, 10) });
  const headers = {
    ...headersOf(randomUUID()),
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`);
}
