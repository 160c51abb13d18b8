import type { InferClient } from '../../client/client.js';
import type { LoadedSettings } from '../../config/load.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Admissions } from './admissions.js';

/** What the routes of a gateway share. */
export interface Gateway {
  /** Its one client: any number of waits share a connection. Values come in the form that JSON can hold. */
  readonly client: InferClient;
  readonly loaded: LoadedSettings;
  readonly prefix: string;
  readonly limits: GatewayLimits;
  readonly log: Logger;
  /** Of the package, for `/v2` and `/openapi.json`. */
  readonly version: string;
  /** Path under which everything is served, `''` or such as `/infer`; for links in answers. */
  readonly basePath: string;
  /** Whether routes that steer queues and workers exist (`--allow-control`). */
  readonly control: boolean;
  /** Fires when the server begins to shut down: event streams end then, and `admit` refuses new work. */
  readonly draining: AbortSignal;
  /** Fires shortly before connections are closed: callers who still wait are told where their jobs are. */
  readonly leaving: AbortSignal;
  /** Models that some worker must serve before the gateway says that it is ready. */
  readonly requiredModels: readonly string[];
  /** What `admit` counts with. */
  readonly admissions: Admissions;
}

export interface GatewayLimits {
  /** Largest body that is held whole, in bytes. Streamed bodies are bounded by Redis alone. */
  readonly maxBody: number;
  /** Longest wait that a caller may ask for, ms. */
  readonly maxWaitMs: number;
  /** Jobs that may wait in a queue before more are refused; undefined = no limit. */
  readonly maxWaiting: number | undefined;
}
