import type { LoadedSettings } from '../../config/load.js';
import type { Logger } from '../../telemetry/logger.js';

/** Options of `startDashboard` (`serve/serve-dashboard.ts`), which `infer dashboard` runs. */
export interface DashboardOptions {
  loaded: LoadedSettings;
  host: string;
  /** 0 selects a free port. */
  port: number;
  basePath: string;
  /** Whether there are actions; then a token file is required, also on this machine. */
  control: boolean;
  /** Required if other machines can reach the address, or with `control`. */
  tokenFile: string | undefined;
  /** Names that browsers use for this server. */
  serverNames: readonly string[];
  version: string;
  log: Logger;
}

/** A running dashboard. */
export interface RunningDashboard {
  /** Address of the page, without a trailing slash. */
  readonly url: string;
  /** Number of valid tokens; undefined if no token is required. */
  readonly tokens: number | undefined;
  /** Number of open requests. */
  readonly underWay: number;
  /** Ends streams and requests within this many milliseconds. A second call ends it immediately. */
  close(graceMs: number): Promise<void>;
}
