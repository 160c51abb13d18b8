import type { App } from '../http/app.js';
import type { Gateway } from './gateway.js';
import { addControlRoutes } from './jobs/control-routes.js';
import { addEventRoutes } from './jobs/events-routes.js';
import { addHistoryRoutes } from './jobs/history-routes.js';
import { addListRoutes } from './jobs/list-routes.js';
import { addReadRoutes } from './jobs/read-routes.js';
import { addRecipeRoutes } from './jobs/recipe-routes.js';
import { addSteerRoutes } from './jobs/steer-routes.js';
import { addSubmitRoutes } from './jobs/submit-routes.js';

/** infer's own API under `/v1`, and `/predict` and `/result/:id` of the recipe. */
export function addJobRoutes(app: App, gateway: Gateway): void {
  addSubmitRoutes(app, gateway);
  addReadRoutes(app, gateway);
  addEventRoutes(app, gateway);
  addSteerRoutes(app, gateway);
  addListRoutes(app, gateway);
  addHistoryRoutes(app, gateway);
  addControlRoutes(app, gateway);
  addRecipeRoutes(app, gateway);
}
