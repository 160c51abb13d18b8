import { randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { echo, parseRequest, type Request, requestEnd } from '../support/requests.js';

/**
 * pass; delay every piece; black-hole (nothing gets through, nothing is closed, and what was sent arrives afterwards,
 * like TCP retransmissions); half-open (requests arrive, answers do not); cut (the given number of first requests of
 * each kind is run, and the connection reset before the answer, or ended in the middle of it).
 */
export type ProxyMode =
  | { kind: 'pass' }
  | { kind: 'delay'; ms: number }
  | { kind: 'blackhole' }
  | { kind: 'halfopen' }
  | { kind: 'cut'; times: number };

interface Link {
  client: Socket;
  server: Socket;
  /** The missing part of a request. */
  begun: Buffer;
  /** What the server answers once it has run the request after which this link is cut. */
  cutAt: Buffer | undefined;
  heard: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** A network between one kind of client and Redis that can be told to misbehave. */
export class FaultProxy {
  private readonly links = new Set<Link>();
  private mode: ProxyMode = { kind: 'pass' };
  /** How often each kind of request was cut since the mode is `cut`. */
  private cut = new Map<string, number>();
  /** Whether half of the answers arrived at the last cut. */
  private half = true;

  private constructor(
    private readonly listener: Server,
    readonly port: number,
  ) {}

  static async open(targetPort: number): Promise<FaultProxy> {
    const listener = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    const proxy = new FaultProxy(listener, (listener.address() as { port: number }).port);
    listener.on('connection', (client) => proxy.accept(client, targetPort));
    return proxy;
  }

  /** Applies to open and new connections. Leaving half-open resets those whose answers were lost. */
  set(mode: ProxyMode): void {
    const wasHalfOpen = this.mode.kind === 'halfopen';
    this.mode = mode;
    if (mode.kind === 'cut') this.cut = new Map();
    if (wasHalfOpen && mode.kind !== 'halfopen') this.reset();
    for (const link of this.links) this.steer(link);
  }

  /** Kinds of requests whose answers were lost since the mode was last set to `cut`. */
  get cuts(): number {
    return this.cut.size;
  }

  /** Ends every connection with an RST. */
  reset(): number {
    const { size } = this.links;
    for (const link of this.links) this.end(link);
    return size;
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private end(link: Link): void {
    this.links.delete(link);
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }

  private accept(client: Socket, targetPort: number): void {
    const server = tcp({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const link: Link = { client, server, begun: EMPTY, cutAt: undefined, heard: EMPTY };
    this.links.add(link);
    const drop = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', drop);
      socket.on('close', drop);
    }
    this.pump(client, server, (piece) => this.forward(link, piece));
    this.pump(server, client, (piece) => this.answer(link, piece));
    this.steer(link);
  }

  /** Pieces keep their order whatever the delay of each is. */
  private pump(from: Socket, to: Socket, send: (piece: Buffer) => void): void {
    let last = Promise.resolve();
    const pass = (act: () => void): void => {
      const wait = this.mode.kind === 'delay' ? this.mode.ms : 0;
      const due = wait === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, wait));
      last = last.then(() => due).then(() => (to.writable ? act() : undefined));
    };
    from.on('data', (piece: Buffer) => pass(() => send(piece)));
    from.on('end', () => pass(() => to.end()));
  }

  /** Always request by request: the end of one can only be found from its start. */
  private forward(link: Link, piece: Buffer): void {
    link.begun = link.begun.length === 0 ? piece : Buffer.concat([link.begun, piece]);
    for (let end = requestEnd(link.begun); end !== undefined; end = requestEnd(link.begun)) {
      // Nothing after the request that is cut is sent.
      if (link.cutAt !== undefined) return;
      const whole = link.begun.subarray(0, end);
      link.begun = link.begun.subarray(end);
      link.server.write(whole);
      if (this.mode.kind === 'cut') this.mayCut(link, whole, this.mode.times);
    }
  }

  private mayCut(link: Link, whole: Buffer, times: number): void {
    const kind = kindOf(parseRequest(whole));
    if (kind === undefined) return;
    const before = this.cut.get(kind) ?? 0;
    if (before >= times) return;
    this.cut.set(kind, before + 1);
    // Answers come in order, so this one shows that the previous request has been run.
    const token = randomUUID();
    link.cutAt = Buffer.from(token);
    link.server.write(echo(token));
  }

  private answer(link: Link, piece: Buffer): void {
    if (link.cutAt === undefined) {
      link.client.write(piece);
      return;
    }
    link.heard = Buffer.concat([link.heard, piece]);
    const token = link.heard.indexOf(link.cutAt);
    if (token < 0) return;
    const bytes = token - `$${link.cutAt.length}\r\n`.length;
    this.half = !this.half;
    if (!this.half) {
      this.end(link);
      return;
    }
    // Of a pipeline some answers arrive: its client can then neither resend it nor know what of it has run.
    this.links.delete(link);
    link.client.end(link.heard.subarray(0, bytes >> 1), () => link.client.destroy());
    link.server.resetAndDestroy();
  }

  private steer({ client, server }: Link): void {
    const { kind } = this.mode;
    if (kind === 'blackhole') client.pause();
    else client.resume();
    if (kind === 'blackhole' || kind === 'halfopen') server.pause();
    else server.resume();
  }
}

/** Requests that open a connection: cutting them only shows that it is reopened. */
const OPENING = new Set(['auth', 'hello', 'client', 'info', 'select', 'echo', 'script']);

/** The kind of request: a command, or one script. */
function kindOf([command = '', script = '']: Request): string | undefined {
  if (OPENING.has(command)) return undefined;
  return command.startsWith('eval') ? `${command} ${script}` : command;
}
