import { createServer, type Server, type Socket, connect as tcp } from 'node:net';

interface Link {
  client: Socket;
  server: Socket;
}

/** A network between clients and a Redis on a port of this host, which a test can make misbehave. */
export class FaultyNetwork {
  private readonly links = new Set<Link>();
  private readonly stranded = new Set<Link>();
  private mode: 'pass' | 'silent' | 'deaf' = 'pass';

  private constructor(
    private readonly listener: Server,
    readonly port: number,
  ) {}

  static async open(targetPort: number): Promise<FaultyNetwork> {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const network = new FaultyNetwork(listener, (listener.address() as { port: number }).port);
    listener.on('connection', (client) => network.accept(client, targetPort));
    return network;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Nothing gets through and nothing is closed, on connections old and new; what was sent arrives after. */
  silence(): void {
    this.set('silent');
  }

  /** Requests arrive, answers do not. */
  deafen(): void {
    this.set('deaf');
  }

  pass(): void {
    this.set('pass');
  }

  /** Today's connections never carry another byte, as when a firewall forgets them; new ones work. */
  strand(): void {
    for (const link of this.links) {
      link.client.pause();
      link.server.pause();
      this.stranded.add(link);
    }
  }

  /** Ends every connection with an RST. */
  reset(): void {
    for (const { client, server } of this.links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private set(mode: FaultyNetwork['mode']): void {
    this.mode = mode;
    for (const link of this.links) this.steer(link);
  }

  private accept(client: Socket, targetPort: number): void {
    const server = tcp({ port: targetPort, host: '127.0.0.1' });
    const link = { client, server };
    this.links.add(link);
    const drop = (): void => {
      this.links.delete(link);
      this.stranded.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', drop).on('close', drop);
    client.on('data', (piece) => server.write(piece));
    server.on('data', (piece) => client.write(piece));
    this.steer(link);
  }

  private steer(link: Link): void {
    if (this.stranded.has(link)) return;
    if (this.mode === 'silent') link.client.pause();
    else link.client.resume();
    if (this.mode === 'pass') link.server.resume();
    else link.server.pause();
  }
}
