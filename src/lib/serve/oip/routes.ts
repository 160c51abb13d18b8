import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { addInferRoutes } from './infer-routes.js';
import { addModelRoutes } from './model-routes.js';
import { addRepositoryRoutes } from './repository-routes.js';
import { addServerRoutes } from './server-routes.js';

/** The Open Inference Protocol, version 2, over HTTP, with Triton's extensions: `/v2`. */
export function addOipRoutes(app: App, gateway: Gateway): void {
  addServerRoutes(app, gateway);
  addModelRoutes(app, gateway);
  addInferRoutes(app, gateway);
  addRepositoryRoutes(app, gateway);
}
