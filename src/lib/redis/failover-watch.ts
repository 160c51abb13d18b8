import { Redis, type RedisOptions } from 'ioredis';
import { WakeUp } from '../core/wake-up.js';

/** A server as reported by sentinels. */
export interface Endpoint {
  host: string;
  port: number;
}

/** The sentinels of one master, and how to connect to them. */
export interface SentinelSet {
  master: string;
  endpoints: readonly Endpoint[];
  options: RedisOptions;
}

/** The relevant parts of a sentinel's reports on a failover. */
export type FailoverNews =
  /** A replica was chosen; it is promoted within about 100 ms. */
  | { what: 'begins' }
  /** It is the master now. */
  | { what: 'over'; leader: Endpoint }
  /** The failover was aborted: the master is unchanged. */
  | { what: 'aborted' };

const BEGINS = '+failover-state-send-slaveof-noone';
const PROMOTED = '+promoted-slave';
const SWITCHED = '+switch-master';
const ABORTED = [
  '-failover-abort-no-good-slave',
  '-failover-abort-slave-timeout',
  '-failover-abort-not-elected',
];
const CHANNELS = [BEGINS, PROMOTED, SWITCHED, ...ABORTED];

/**
 * Longest time without a server while a replica is promoted, ms. It takes a second or two; after this limit,
 * the sentinels are asked for the master.
 */
const HOLD_MS = 5000;
/**
 * Sentinels that did not lead the failover learn of the new master late, after up to this many ms; until then
 * they are not asked.
 */
const AGREED_MS = 15_000;
const RECONNECT_MS = 1000;
/** Most commands have ended by then and need no watch. */
const START_MS = 500;

/** Parses an event of a sentinel; undefined for another master or an irrelevant event. Pure. */
export function newsOf(channel: string, message: string, master: string): FailoverNews | undefined {
  const words = message.split(' ');
  if (channel === SWITCHED) {
    // <name> <old ip> <old port> <ip> <port>
    const [name, , , host = '', port] = words;
    return name === master ? { what: 'over', leader: { host, port: Number(port) } } : undefined;
  }
  // <type> <name> <ip> <port>, and for a replica: @ <name of its master> <ip> <port>
  const [type, name, host = '', port, , of] = words;
  if ((type === 'slave' ? of : name) !== master) return undefined;
  if (channel === BEGINS) return { what: 'begins' };
  if (channel === PROMOTED) return { what: 'over', leader: { host, port: Number(port) } };
  return ABORTED.includes(channel) ? { what: 'aborted' } : undefined;
}

/**
 * Follows the sentinels' reports on their master. Between the choice of a replica and its promotion there is
 * no server to use: what the old master accepts in that time is lost, although it answers. One instance per
 * process and master, shared by all connections.
 */
export class FailoverWatch {
  private readonly sentinels = new Map<string, Redis>();
  private readonly followers = new Set<() => void>();
  private heldSince: number | undefined;
  private holdTimer: NodeJS.Timeout | undefined;
  private readonly free = new WakeUp();
  private known: { leader: Endpoint; at: number } | undefined;
  private starting: NodeJS.Timeout | undefined;
  private closed = false;
  /** Incremented by every event that invalidates existing connections. */
  turns = 0;

  constructor(private readonly set: SentinelSet) {}

  /**
   * Starts listening after a moment, so that no command lives longer than necessary; also listens to other
   * sentinels that these know.
   */
  start(): void {
    this.starting = setTimeout(() => {
      for (const endpoint of this.set.endpoints) this.listen(endpoint);
    }, START_MS).unref();
  }

  /**
   * Calls `leave` when its connection must be closed, unless it leads to the current master. Returns a
   * function that ends this.
   */
  follow(leave: () => void): () => void {
    this.followers.add(leave);
    return () => this.followers.delete(leave);
  }

  /**
   * Resolves when there is a server to connect to, as far as known: immediately while no failover is in
   * progress.
   */
  async settled(): Promise<void> {
    while (this.heldSince !== undefined && !this.closed) await this.free.wait();
  }

  /** The current master if recently reported; otherwise the sentinels must be asked. */
  get leader(): Endpoint | undefined {
    const fresh = this.known !== undefined && performance.now() - this.known.at < AGREED_MS;
    return fresh ? this.known?.leader : undefined;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.starting);
    this.release();
    for (const client of this.sentinels.values()) client.disconnect();
  }

  /** Processes a sentinel's report. */
  hear(news: FailoverNews): void {
    if (news.what === 'begins') {
      this.known = undefined;
      this.heldSince ??= performance.now();
      this.holdTimer ??= setTimeout(() => this.release(), HOLD_MS);
      this.turn();
    } else if (news.what === 'over') {
      const { leader } = news;
      const isNew = this.leader?.host !== leader.host || this.leader.port !== leader.port;
      this.known = { leader, at: performance.now() };
      this.release();
      if (isNew) this.turn();
    } else this.release();
  }

  private turn(): void {
    this.turns += 1;
    for (const leave of [...this.followers]) leave();
  }

  private release(): void {
    clearTimeout(this.holdTimer);
    this.holdTimer = undefined;
    this.heldSince = undefined;
    this.free.wake();
  }

  private listen(endpoint: Endpoint): void {
    const name = `${endpoint.host}:${endpoint.port}`;
    if (this.sentinels.has(name) || this.closed) return;
    const { master, options } = this.set;
    const client = new Redis({
      ...options,
      ...endpoint,
      connectionName: 'infer-failover',
      disableClientInfo: true,
      enableReadyCheck: false,
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy: () => RECONNECT_MS,
      // `as object`: the library's generic constructor types do not take exactOptionalPropertyTypes.
    } as object);
    this.sentinels.set(name, client);
    client.on('error', () => undefined);
    client.on('message', (channel: string, message: string) => {
      const news = this.closed ? undefined : newsOf(channel, message, master);
      if (news !== undefined) this.hear(news);
    });
    void this.subscribe(client).catch(() => undefined);
  }

  private async subscribe(client: Redis): Promise<void> {
    const others = await client.call('SENTINEL', 'SENTINELS', this.set.master).catch(() => []);
    // The addresses they exchange can be reached by clients wherever the master's can.
    for (const other of endpointsOf(others)) this.listen(other);
    await client.subscribe(...CHANNELS);
  }
}

/** The addresses in an answer to SENTINEL SENTINELS: a list or map of fields for each. */
function endpointsOf(reply: unknown): Endpoint[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((one: unknown) => {
    const fields = Array.isArray(one) ? new Map(pairs(one)) : new Map(Object.entries(one ?? {}));
    const [host, port] = [String(fields.get('ip') ?? ''), Number(fields.get('port'))];
    return host === '' || !Number.isInteger(port) ? [] : [{ host, port }];
  });
}

function pairs(flat: readonly unknown[]): [string, unknown][] {
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [
    String(flat[2 * i]),
    flat[2 * i + 1],
  ]);
}

const watches = new Map<string, { watch: FailoverWatch; users: number }>();

/**
 * The watch of a master, for one more connection of this process. @returns the watch, and a function that
 * releases it
 */
export function shareFailoverWatch(set: SentinelSet): { watch: FailoverWatch; release: () => void } {
  const key = JSON.stringify([set.master, set.endpoints, set.options.username, set.options.password]);
  let entry = watches.get(key);
  if (entry === undefined) {
    entry = { watch: new FailoverWatch(set), users: 0 };
    watches.set(key, entry);
    entry.watch.start();
  }
  const shared = entry;
  shared.users += 1;
  let used = true;
  const release = (): void => {
    if (!used) return;
    used = false;
    shared.users -= 1;
    if (shared.users > 0) return;
    watches.delete(key);
    shared.watch.close();
  };
  return { watch: shared.watch, release };
}
