import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { addEmbeddingRoutes } from './embeddings.js';
import { addModelListRoutes } from './models.js';

/** What of OpenAI's API a model server can answer: `/v1/models` and `/v1/embeddings`. */
export function addOpenaiRoutes(app: App, gateway: Gateway): void {
  addModelListRoutes(app, gateway);
  addEmbeddingRoutes(app, gateway);
}
