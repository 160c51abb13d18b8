import { serverClock } from '../../redis/server-clock.js';
import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { addAboutRoute } from './about-route.js';
import { addActionRoutes } from './actions/action-routes.js';
import { RunningActions } from './actions/running-actions.js';
import { addJobPages } from './job-routes.js';
import { addPageRoutes } from './page-routes.js';
import { RedisReports } from './redis-reports.js';
import { secure } from './security.js';
import { Snapshots } from './snapshots.js';
import { addStreamRoute } from './stream-route.js';
import type { WebFile } from './web-files.js';
import { addWebRoutes } from './web-routes.js';

export interface DashboardParts {
  /** Where it is: `''` for the root of the server, or such as `/dashboard`. */
  at: string;
  /** The page. */
  files: ReadonlyMap<string, WebFile>;
  /** Whether the server requires tokens. */
  tokens: boolean;
}

/** How long actions may take to stop, when the server stops. */
const STOP_MS = 2000;

/**
 * The dashboard: the page, the stream of snapshots, what its pages ask for and, with `gateway.control`, its
 * actions. It shows the work of everyone, so reading needs the scope `read:all`.
 */
export function addDashboardRoutes(app: App, gateway: Gateway, { at, files, tokens }: DashboardParts): void {
  const { client, prefix, control } = gateway;
  const clock = serverClock(client.redis);
  const running = new RunningActions(() => clock.now());
  app.addHook('onClose', () => running.close(STOP_MS));
  const snapshots = new Snapshots(client.redis, client.target, prefix, () => running.list());
  secure(app, at);
  addAboutRoute(app, gateway, at, tokens);
  const reports = new RedisReports(gateway.loaded);
  addStreamRoute(app, gateway, at, snapshots, () => reports.prepare());
  addJobPages(app, gateway, at);
  addPageRoutes(app, gateway, at, reports);
  if (control && tokens) addActionRoutes(app, gateway, at, running);
  addWebRoutes(app, at, files);
}
