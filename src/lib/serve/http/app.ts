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
import { type BodyMemory, type HeldBytes, holdBytes } from './body-memory.js';
import { continueWhenRead } from './expect-continue.js';
import { KnownRoutes } from './known-routes.js';
import { type RefusalObserver, refuseMalformed } from './malformed.js';
import { answerable, problemOf } from './problem.js';
import { Refusal } from './refusal.js';
import { type HeldResult, holdResults } from './result-memory.js';
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
 * The error format that the clients of a route expect; the default is `problemOf`. Without a status, that of
 * the error code applies.
 */
export type ErrorForm = (
  error: InferError,
  path: string,
  basePath: string | undefined,
) => { contentType: string; status?: number; body: unknown };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed to do; `open` requires nothing, for probes. */
    access?: RouteAccess;
    errorForm?: ErrorForm;
    /** Its description in the OpenAPI document; every route of the gateway has one, or `schema.hide`. */
    doc?: RouteDoc;
    /** The body or the response is streamed and may take any time. */
    endless?: boolean;
  }
  interface FastifyRequest {
    /** Set before the handler of any route that is not `open`. */
    caller: Caller;
    /** Whether its token still allows it; undefined if none was required. */
    holds: (() => boolean) | undefined;
    /** Reserves memory for its body; undefined without a limit. */
    heldBody: HeldBytes | undefined;
    /** Memory of the results that it reads and sends; undefined without a limit. */
    heldResult: HeldResult | undefined;
    /** Error code of its response. */
    errorCode: string | undefined;
  }
}

/** Who counts and logs requests. */
export interface RequestObserver extends RefusalObserver {
  begin(request: FastifyRequest, reply: FastifyReply): void;
}

export interface AppOptions {
  /** Maximum size of a body in bytes. */
  maxBody: number;
  /** Memory for all bodies together [no limit]. */
  bodyMemory?: BodyMemory | undefined;
  /** Memory for all large results that are being sent [no limit]. */
  resultMemory?: BodyMemory | undefined;
  /** Milliseconds after which the response is abandoned and the request's signal fires. */
  answerMs: number;
  /** A connection that is idle for this many milliseconds is closed [120000]. */
  silentMs?: number | undefined;
  /** Maximum number of open connections. */
  connections: number;
  /** Certificate and key, for HTTPS. */
  tls?: ServerTls | undefined;
  /** Prefix of every route, such as `/infer` [none]. */
  basePath?: string | undefined;
  /** What `GET /` does, for who asks for an unknown address [lists the routes]. */
  atRoot?: string | undefined;
  /** `begin` is called first for every request, including those that reach no route or hook. */
  observer?: RequestObserver | undefined;
  /** Called with unexpected errors; the caller gets a 500 without details. */
  onFailure: (error: unknown, request: { id: string; route: string }) => void;
}

/** Longest time until the headers of a request have arrived. */
const HEADERS_MS = 10_000;
/** A connection idle for this long is closed, or for longer than any response may take. */
const SILENT_MS = 120_000;
const BESIDE_ANSWER_MS = 30_000;
const KEEP_ALIVE_MS = 72_000;
const HEADER_BYTES = 16_384;
/** How often Node checks for requests whose headers are late. */
const LATE_LOOK_MS = 2000;
/** How long a caller may take to notice that its body was refused, and to stop sending. */
const LINGER_MS = 3000;
/** Default of `Retry-After` in seconds. */
const AGAIN_S = '2';
/** Ids are 512 bytes at most, and up to three times that when percent-encoded. */
const PARAM_LENGTH = 1600;
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;

/**
 * A server without routes: errors, unknown addresses and methods, request ids, and headers of all responses.
 * Bodies are not read here; see `body.ts`.
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
      refuseMalformed(error, socket, { basePath, observer: options.observer, headersOf }),
    // Addresses that are malformed or too long: no hook runs for them.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      begin(options, request, reply);
      void answerError(options, error, request, reply);
    },
  } as object) as unknown as App;
  app.server.maxConnections = options.connections;
  continueWhenRead(app.server);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.decorateRequest('caller');
  app.decorateRequest('holds');
  app.decorateRequest('heldBody');
  app.decorateRequest('heldResult');
  app.decorateRequest('errorCode');
  const known = new KnownRoutes();
  app.addHook('onRoute', ({ url, method }) => known.add(url, method));
  // A response may be complete before a body that is not read, and the body may never end.
  app.addHook('onResponse', async (request) => lingerOver(request));
  app.addHook('onRequest', async (request, reply) => {
    begin(options, request, reply);
    limitAnswer(request, reply, options.answerMs);
    const { bodyMemory, resultMemory } = options;
    if (bodyMemory !== undefined) request.heldBody = holdBytes(reply, bodyMemory);
    if (resultMemory !== undefined) request.heldResult = holdResults(reply, resultMemory);
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      throw new InferError('HTTP_REQUEST', 'the request has no Host');
    // The router would take `*`, which is no address, for `/`.
    if (!ADDRESS.test(request.originalUrl))
      throw new InferError('HTTP_REQUEST', 'the request names no address that begins with /');
    // Node accepts a request line without a version as HTTP/0.9, which has neither headers nor a status.
    if (request.raw.httpVersionMajor < 1)
      throw new InferError('HTTP_REQUEST', 'the request names no version of HTTP');
    if (basePath !== '' && below(request.originalUrl, basePath) === undefined) throw noSuchAddress(options);
  });
  if (options.resultMemory !== undefined) app.addHook('onSend', countSent);
  app.setNotFoundHandler((request, reply) =>
    answerError(options, unknownRoute(known, options, request, reply), request, reply),
  );
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  return app;
}

/** A response that is in memory as a whole; `sendParts` counts those in parts. */
function countSent(request: FastifyRequest, _reply: FastifyReply, body: unknown, done: () => void): void {
  if (typeof body === 'string' || body instanceof Uint8Array) request.heldResult?.sends(body.length);
  done();
}

/** Sets up every request and its response. */
function begin({ observer }: AppOptions, request: FastifyRequest, reply: FastifyReply): void {
  observer?.begin(request, reply);
  reply.headers(headersOf(request.id));
}

/** Headers of every response, including errors and streams. */
function headersOf(requestId: string): Record<string, string> {
  return { 'x-request-id': requestId, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };
}

/** The caller's own id of the request, if it is valid; it is returned and logged. */
function requestId({ headers }: { headers: IncomingMessage['headers'] }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

const HEADER_LIMITS = {
  // Node would refuse a request without a Host with an empty response.
  requireHostHeader: false,
  maxHeaderSize: HEADER_BYTES,
  headersTimeout: HEADERS_MS,
  connectionsCheckingInterval: LATE_LOOK_MS,
};

/** The part of an address after the base path; undefined if the address is not below it. */
function below(url: string, basePath: string): string | undefined {
  if (!url.startsWith(basePath)) return undefined;
  const rest = url.slice(basePath.length);
  if (rest === '' || rest.startsWith('?')) return `/${rest}`;
  return rest.startsWith('/') ? rest : undefined;
}

/** The path of a request as received, without the query. */
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
 * Closes the connection of a request that was refused before its body had arrived. Not immediately: the
 * caller would see a broken connection instead of the error.
 */
function lingerOver({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.resume();
  const hangUp = () => {
    if (!raw.complete) raw.socket.destroy();
  };
  setTimeout(hangUp, LINGER_MS).unref();
}

/** A path, or a whole address, as proxies send it. */
const ADDRESS = /^(?:\/|https?:\/\/)/i;

/** The default error format: a problem of RFC 9457. */
export const problemForm: ErrorForm = (error, path, basePath) => ({
  contentType: 'application/problem+json',
  body: problemOf(error, path, basePath),
});

function unknownRoute(
  known: KnownRoutes,
  options: AppOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): InferError {
  const [path = '/'] = request.url.split('?', 1);
  const methods = known.methodsOf(path);
  if (methods.length === 0) return noSuchAddress(options);
  reply.header('allow', methods.join(', '));
  return new InferError('HTTP_METHOD', `the methods of this address are ${methods.join(', ')}`);
}

function noSuchAddress({ basePath = '', atRoot = 'lists the routes' }: AppOptions): InferError {
  return new InferError('HTTP_ROUTE', 'there is nothing at this address', {
    hint: `GET ${basePath}/ ${atRoot}`,
  });
}
