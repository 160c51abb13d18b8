import type { LoadedSettings } from '../../config/load.js';
import { InferError } from '../../core/errors.js';
import type { Logger } from '../../telemetry/logger.js';

/** Where a gateway serves the dashboard: on its own listener, so that one port, certificate and token file serve both. */
export const DASHBOARD_PATH = '/dashboard';

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
  /** Folder of the page [that of the package]. */
  webDir?: string | undefined;
  /** Names that browsers use for this server. */
  serverNames: readonly string[];
  version: string;
  log: Logger;
}

/** A running dashboard. */
export interface RunningDashboard {
  /** Address of the page, without a trailing slash. */
  readonly url: string;
  /** Its Redis, without credentials; and the number of valid tokens, undefined if none is required. */
  readonly about: { url: string; redisLabel: string; redisSource: string; tokens: number | undefined };
  /** Number of open requests. */
  readonly underWay: number;
  /** Ends streams and requests within this many milliseconds. A second call ends it immediately. */
  close(graceMs: number): Promise<void>;
}

/** A web page of someone else can send requests to 127.0.0.1: an action needs something that it cannot know. */
export function controlNeedsTokens(): InferError {
  return new InferError('CONTROL_TOKENS', 'the actions of the dashboard need a token, on every address', {
    hint: 'infer token create ops --scope read:all,control --token-file tokens.json, then add --token-file tokens.json',
  });
}
