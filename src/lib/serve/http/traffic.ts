import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { settledWithin } from '../../core/bounded.js';
import { emptyHistogram, type Histogram, observe } from '../../core/histogram.js';
import type { HttpFigures } from '../../metrics/family.js';
import { HTTP_BOUNDS } from '../../metrics/http-families.js';
import type { Logger } from '../../telemetry/logger.js';
import type { RequestObserver } from './app.js';
import type { RefusedRequest } from './malformed.js';

/** Logged for a client that disconnected before its response was complete, as by nginx. */
const CLIENT_LEFT = 499;
const NO_ROUTE = '(none)';
const OTHER_METHOD = 'OTHER';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

interface Open {
  request: FastifyRequest;
  reply: FastifyReply;
  over: Promise<void>;
  /** Its body was refused by Node's parser, which answered in place of the route. */
  refused?: Pick<RefusedRequest, 'status' | 'code'>;
}

interface RouteFigures {
  method: string;
  route: string;
  byStatus: Map<number, number>;
  duration: Histogram;
  received: number;
  sent: number;
}

/** Counts the requests of a server, writes the access log, and knows which requests are open. */
export class Traffic implements RequestObserver {
  private readonly open = new Set<Open>();
  private readonly routes = new Map<string, RouteFigures>();
  private readonly errors = new Map<string, number>();
  /** Bytes of a connection, in both directions, counted for its earlier requests. */
  private readonly counted = new WeakMap<Socket, { read: number; written: number }>();

  constructor(private readonly log: Logger) {}

  /** A request begins; also one that no hook sees, since its address cannot be read. */
  begin(request: FastifyRequest, reply: FastifyReply): void {
    const began = performance.now();
    const { raw } = reply;
    const over = new Promise<void>((resolve) => {
      raw.once('close', () => {
        this.open.delete(entry);
        this.ended(entry, performance.now() - began);
        resolve();
      });
    });
    const entry: Open = { request, reply, over };
    this.open.add(entry);
  }

  idOn(socket: Socket): string | undefined {
    return this.openOn(socket)?.request.id;
  }

  answered(socket: Socket): Promise<unknown> | undefined {
    const whole = [...this.open].filter(({ request: { raw } }) => raw.socket === socket && raw.complete);
    return whole.length === 0 ? undefined : Promise.all(whole.map(({ over }) => over));
  }

  /** A request that Node's parser refused: an open one is counted and logged when its connection closes. */
  refused({ id: requestId, socket, status, code, sent }: RefusedRequest): void {
    const entry = this.openOn(socket);
    if (entry !== undefined) {
      entry.refused = { status, code };
      return;
    }
    const { received } = this.bytesOf(socket);
    const [method, route] = [OTHER_METHOD, NO_ROUTE];
    this.count(this.figuresOf(method, route), { status, code, received, sent });
    this.log.info({ requestId, method, route, status, bytesIn: received, bytesOut: sent, code }, 'request');
  }

  private openOn(socket: Socket): Open | undefined {
    return [...this.open].find(({ request }) => request.raw.socket === socket);
  }

  /**
   * Waits until all requests that are open now have been answered, but no longer than this many milliseconds.
   */
  async settled(ms: number): Promise<boolean> {
    return settledWithin(ms, Promise.all([...this.open].map(({ over }) => over)));
  }

  /** Open requests without event streams. */
  get underWay(): number {
    return [...this.open].filter((entry) => !isStream(entry)).length;
  }

  figures(): HttpFigures {
    const { underWay } = this;
    return {
      routes: [...this.routes.values()],
      errors: this.errors,
      openRequests: underWay,
      openStreams: this.open.size - underWay,
    };
  }

  private ended(entry: Open, ms: number): void {
    const { request, reply } = entry;
    const { raw } = reply;
    const answered = raw.writableFinished;
    const status = answered ? raw.statusCode : (entry.refused?.status ?? CLIENT_LEFT);
    const method = METHODS.includes(request.method) ? request.method : OTHER_METHOD;
    const route = request.routeOptions?.url ?? NO_ROUTE;
    const { received, sent } = this.bytesOf(request.raw.socket);
    const figures = this.figuresOf(method, route);
    const code = answered ? request.errorCode : (entry.refused?.code ?? request.errorCode);
    this.count(figures, { status, code, received, sent });
    if (!isStream(entry)) observe(figures.duration, HTTP_BOUNDS, ms / 1000);
    // Only names: no address as received, no query, no body, no header.
    const line = {
      requestId: request.id,
      method,
      route,
      status,
      ms,
      bytesIn: received,
      bytesOut: sent,
      caller: request.caller?.name,
      code,
    };
    const probe = request.routeOptions?.config?.access === 'open' && status < 400;
    if (probe) this.log.debug(line, 'request');
    else this.log.info(line, 'request');
  }

  private count(
    figures: RouteFigures,
    {
      status,
      code,
      received,
      sent,
    }: { status: number; code: string | undefined; received: number; sent: number },
  ): void {
    figures.byStatus.set(status, (figures.byStatus.get(status) ?? 0) + 1);
    figures.received += received;
    figures.sent += sent;
    if (code !== undefined) this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** Bytes sent and received since the previous request of the connection. */
  private bytesOf(socket: Socket): { received: number; sent: number } {
    const { bytesRead = 0, bytesWritten = 0 } = socket;
    const before = this.counted.get(socket) ?? { read: 0, written: 0 };
    this.counted.set(socket, { read: bytesRead, written: bytesWritten });
    return { received: bytesRead - before.read, sent: bytesWritten - before.written };
  }

  private figuresOf(method: string, route: string): RouteFigures {
    const key = `${method} ${route}`;
    let figures = this.routes.get(key);
    if (figures === undefined) {
      const duration = emptyHistogram(HTTP_BOUNDS);
      figures = { method, route, byStatus: new Map(), duration, received: 0, sent: 0 };
      this.routes.set(key, figures);
    }
    return figures;
  }
}

/** Server-sent events last as long as someone listens. */
function isStream({ request, reply }: Pick<Open, 'request' | 'reply'>): boolean {
  const type = contentType(reply.raw) ?? reply.getHeader('content-type');
  return (
    String(type ?? '').startsWith('text/event-stream') ||
    request.routeOptions?.url?.endsWith('/events') === true
  );
}

function contentType(raw: ServerResponse): unknown {
  return raw.getHeader('content-type');
}
