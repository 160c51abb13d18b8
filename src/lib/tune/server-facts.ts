import type { RedisFacts } from '../redis/info.js';
import type { ConfigRefusal } from '../redis/server-config.js';
import type { RedisTarget } from '../redis/types.js';
import type { HostMemory, HostSettings } from './server-host.js';

/** The longest halt of one kind that the server's latency monitor has noted. Milliseconds. */
export interface LatencyEvent {
  name: string;
  lastMs: number;
  maxMs: number;
}

/** What one server says of itself; whatever it refuses to say is undefined. */
export interface NodeFacts {
  /** `host:port` on a Cluster, else the address of the connection; safe to print. */
  label: string;
  info: RedisFacts;
  /** Audited settings by name; what INFO says of them alone when CONFIG is refused. */
  config: ReadonlyMap<string, string>;
  /** Why CONFIG GET was refused. */
  refusal: ConfigRefusal | undefined;
  memory: HostMemory | undefined;
  host: HostSettings | undefined;
  latency: readonly LatencyEvent[] | undefined;
}

/** The servers of a connection, and what of infer is on them. */
export interface ServerFacts {
  label: string;
  source: RedisTarget['source'];
  cluster: boolean;
  nodes: NodeFacts[];
  /** Host names of the address; none for a socket. */
  hosts: string[];
  /** infer's queues on these servers; undefined when this user may not look. */
  queues: string[] | undefined;
  /** Workers alive; 0 when this user may not look. */
  workers: number;
}
