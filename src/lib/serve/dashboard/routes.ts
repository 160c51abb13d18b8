import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { addAboutRoute } from './about-route.js';
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

/**
 * The dashboard: the page, the stream of snapshots, what its pages ask for and, with `gateway.control`, its
 * actions. It shows the work of everyone, so reading needs the scope `read:all`.
 */
export function addDashboardRoutes(app: App, gateway: Gateway, { at, files, tokens }: DashboardParts): void {
  const { client, prefix } = gateway;
  const snapshots = new Snapshots(client.redis, client.target, prefix, () => []);
  secure(app, at);
  addAboutRoute(app, gateway, at, tokens);
  addStreamRoute(app, gateway, at, snapshots);
  addWebRoutes(app, at, files);
}
