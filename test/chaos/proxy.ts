import { createServer, type Server, type Socket, connect as tcp } from 'node:net';

/**
 * pass; delay every piece; black-hole (nothing gets through, nothing is closed, and what was sent
 * arrives after the end, as TCP's retransmission has it); half-open (requests arrive, answers do not).
 */
export type ProxyMode =
  | { kind: 'pass' }
  | { kind: 'delay'; ms: number }
  | { kind: 'blackhole' }
  | { kind: 'halfopen' };

interface Link {
  client: Socket;
  server: Socket;
}

/** A network that can be told to misbehave, between one kind of client and Redis. */
export class FaultProxy {
  private readonly links = new Set<Link>();
  private mode: ProxyMode = { kind: 'pass' };

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

  /** Holds for open connections and for new ones. Leaving half-open resets those whose answers were lost. */
  set(mode: ProxyMode): void {
    const wasHalfOpen = this.mode.kind === 'halfopen';
    this.mode = mode;
    if (wasHalfOpen && mode.kind !== 'halfopen') this.reset();
    for (const link of this.links) this.steer(link);
  }

  /** Ends every connection with an RST. */
  reset(): number {
    const { size } = this.links;
    for (const { client, server } of this.links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.links.clear();
    return size;
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private accept(client: Socket, targetPort: number): void {
    const server = tcp({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const link = { client, server };
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
    this.pump(client, server);
    this.pump(server, client);
    this.steer(link);
  }

  /** Pieces keep their order whatever the delay of each is. */
  private pump(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    const pass = (send: () => void): void => {
      const wait = this.mode.kind === 'delay' ? this.mode.ms : 0;
      const due = wait === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, wait));
      last = last.then(() => due).then(() => (to.writable ? send() : undefined));
    };
    from.on('data', (piece) => pass(() => to.write(piece)));
    from.on('end', () => pass(() => to.end()));
  }

  private steer({ client, server }: Link): void {
    const { kind } = this.mode;
    if (kind === 'blackhole') client.pause();
    else client.resume();
    if (kind === 'blackhole' || kind === 'halfopen') server.pause();
    else server.resume();
  }
}
