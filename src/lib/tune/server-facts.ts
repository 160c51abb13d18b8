import type { RedisFacts } from '../redis/info.js';
import type { ConfigRefusal } from '../redis/server-config.js';
import type { RedisTarget } from '../redis/types.js';
import type { HostMemory, HostSettings } from './server-host.js';

/** The longest stall of one kind recorded by the server's latency monitor. Milliseconds. */
export interface LatencyEvent {
  name: string;
  lastMs: number;
  maxMs: number;
}

/** Facts about one server; whatever it refuses to tell is undefined. */
export interface NodeFacts {
  /** `host:port` on a Cluster, else the address of the connection; safe to print. */
  label: string;
  info: RedisFacts;
  /** Audited settings by name; only those contained in INFO when CONFIG is refused. */
  config: ReadonlyMap<string, string>;
  /** Why CONFIG GET was refused. */
  refusal: ConfigRefusal | undefined;
  memory: HostMemory | undefined;
  host: HostSettings | undefined;
  latency: readonly LatencyEvent[] | undefined;
}

/** The servers of a connection, and infer's use of them. */
export interface ServerFacts {
  label: string;
  source: RedisTarget['source'];
  cluster: boolean;
  nodes: NodeFacts[];
  /** Host names of the address; none for a socket. */
  hosts: string[];
  /** infer's queues on these servers; undefined when this user may not read them. */
  queues: string[] | undefined;
  /** Number of live workers; 0 when this user may not read them. */
  workers: number;
}
