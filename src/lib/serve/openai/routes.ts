import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import { addEmbeddingRoutes } from './embeddings.js';
import { addModelListRoutes } from './models.js';

/** The part of OpenAI's API that suits a model server: `/v1/models` and `/v1/embeddings`. */
export function addOpenaiRoutes(app: App, gateway: Gateway): void {
  addModelListRoutes(app, gateway);
  addEmbeddingRoutes(app, gateway);
}
