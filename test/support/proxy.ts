import { createHash, randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { echo, parseRequest, type Request, requestEnd } from './requests.js';

interface Link {
  client: Socket;
  server: Socket;
  /** The missing part of a request. */
  begun: Buffer;
  /** What the server answers once it has run the request after which this link is cut. */
  cutAt: Buffer | undefined;
  /** Bytes of the answers that are passed on before the cut. */
  passing: number;
  heard: Buffer;
}

interface Cut {
  matches: (request: Request) => boolean;
  times: number;
  passing: number;
  done: () => void;
}

const EMPTY = Buffer.alloc(0);

/** Requests that run a script, with any arguments or with this one. */
export function runs(lua: string, argument?: string): (request: Request) => boolean {
  const sha = createHash('sha1').update(lua).digest('hex');
  return (request) =>
    (request[0] === 'evalsha' ? request[1] === sha : request[0] === 'eval' && request[1] === lua) &&
    (argument === undefined || request.includes(argument));
}

/** A network between clients and a Redis on a port of this host, which a test can make misbehave. */
export class FaultyNetwork {
  private readonly links = new Set<Link>();
  private readonly stranded = new Set<Link>();
  private mode: 'pass' | 'silent' | 'deaf' = 'pass';
  private cuts: Cut[] = [];

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

  /** Nothing gets through and nothing is closed, on old and new connections; what was sent arrives afterwards. */
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

  /** Current connections never carry another byte, as when a firewall forgets them; new ones work. */
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

  /**
   * Ends connections with an RST after the server has run a request and before its answer is passed on, this many
   * times; resolves when that is done.
   * @param passing bytes of the withheld answers that arrive before the connection ends
   */
  cutAfter(matches: (request: Request) => boolean, times = 1, passing = 0): Promise<void> {
    return new Promise((done) => this.cuts.push({ matches, times, passing, done }));
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
    const link: Link = { client, server, begun: EMPTY, cutAt: undefined, passing: 0, heard: EMPTY };
    this.links.add(link);
    const drop = (): void => {
      this.links.delete(link);
      this.stranded.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', drop).on('close', drop);
    client.on('data', (piece) => this.forward(link, piece));
    server.on('data', (piece) => this.answer(link, piece));
    this.steer(link);
  }

  private forward(link: Link, piece: Buffer): void {
    if (link.cutAt !== undefined) return;
    if (this.cuts.length === 0 && link.begun.length === 0) {
      // Only whole requests can be distinguished; requests in flight when a cut is requested arrived whole.
      link.server.write(piece);
      return;
    }
    link.begun = Buffer.concat([link.begun, piece]);
    for (let end = requestEnd(link.begun); end !== undefined; end = requestEnd(link.begun)) {
      const whole = link.begun.subarray(0, end);
      link.begun = link.begun.subarray(end);
      link.server.write(whole);
      const request = parseRequest(whole);
      const cut = this.cuts.find(({ matches }) => matches(request));
      if (cut === undefined) continue;
      cut.times -= 1;
      if (cut.times === 0) this.cuts = this.cuts.filter((other) => other !== cut);
      // Answers come in order, so this one shows that the previous request has been run.
      const token = randomUUID();
      link.cutAt = Buffer.from(token);
      link.passing = cut.passing;
      link.server.write(echo(token));
      link.server.once('close', () => cut.times === 0 && cut.done());
      return;
    }
  }

  private answer(link: Link, piece: Buffer): void {
    if (link.cutAt === undefined) {
      link.client.write(piece);
      return;
    }
    link.heard = Buffer.concat([link.heard, piece]);
    if (!link.heard.includes(link.cutAt)) return;
    // An RST would discard what was just passed on.
    if (link.passing > 0) link.client.end(link.heard.subarray(0, link.passing), () => link.client.destroy());
    else link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }

  private steer(link: Link): void {
    if (this.stranded.has(link)) return;
    if (this.mode === 'silent') link.client.pause();
    else link.client.resume();
    if (this.mode === 'pass') link.server.resume();
    else link.server.pause();
  }
}
