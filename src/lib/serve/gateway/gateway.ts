import type { InferClient } from '../../client/client.js';
import type { LoadedSettings } from '../../config/load.js';
import type { Logger } from '../../telemetry/logger.js';
import type { BodyMemory } from '../http/body-memory.js';
import type { Admissions } from './admissions.js';
import type { OpenWaits } from './open-waits.js';

/** Dependencies of the routes of a gateway. */
export interface Gateway {
  /**
   * Its only client: any number of waits share one connection. Values are returned in a form that JSON can
   * represent.
   */
  readonly client: InferClient;
  readonly loaded: LoadedSettings;
  readonly prefix: string;
  readonly limits: GatewayLimits;
  readonly log: Logger;
  /** Version of the package, for `/v2` and `/openapi.json`. */
  readonly version: string;
  /** Prefix of all routes, `''` or such as `/infer`; for links in responses. */
  readonly basePath: string;
  /** Whether there are routes that control queues and workers (`--allow-control`). */
  readonly control: boolean;
  /** Aborted when the server begins to shut down: event streams end, and `admit` refuses new work. */
  readonly draining: AbortSignal;
  /** Fires shortly before connections are closed: waiting callers then get the address of their job. */
  readonly leaving: AbortSignal;
  /** Models that some worker must serve before the gateway says that it is ready. */
  readonly requiredModels: readonly string[];
  /** State of `admit`. */
  readonly admissions: Admissions;
  /** The open event streams and waits. */
  readonly waits: OpenWaits;
  /** Memory of buffered bodies, and of large results. */
  readonly bodyMemory: BodyMemory;
  readonly resultMemory: BodyMemory;
}

export interface GatewayLimits {
  /**
   * Maximum size in bytes of a body that is buffered as a whole. Streamed bodies are limited only by Redis.
   */
  readonly maxBody: number;
  /** Longest wait that a caller may request, ms. */
  readonly maxWaitMs: number;
  /** Number of waiting jobs in a queue above which more are refused; undefined = no limit. */
  readonly maxWaiting: number | undefined;
  /** Maximum bytes of buffered bodies in memory, at least `maxBody`; and of large results. */
  readonly maxBodies: number;
  /** Maximum number of open event streams and waits. */
  readonly maxOpen: number;
}
