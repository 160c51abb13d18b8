import { z } from 'zod';
import { answerWithin } from '../../core/bounded.js';
import { InferError } from '../../core/errors.js';
import { parseModel } from '../../core/names.js';
import type { WorkerRecord } from '../../queue/types.js';
import { worded } from '../../redis/worded.js';
import type { App } from '../http/app.js';
import { addErrorRoute } from '../http/error-route.js';
import type { NotedRoute } from '../openapi/noted-routes.js';
import { ERROR_DOC, EXAMPLE_DOC, HEALTH_DOC, INDEX_DOC, READY_DOC } from './about-docs.js';
import { refuseDraining } from './admit.js';
import { exampleInput } from './example-input.js';
import type { Gateway } from './gateway.js';
import { liveWorkers } from './live-workers.js';
import { mayUse, noModel, ofOwn } from './own-models.js';

/** Probes are frequent and wait only briefly. */
const PROBE_MS = 1000;

/** The server about itself: routes, errors, liveness and readiness. @param noted all its routes */
export function addAboutRoutes(app: App, gateway: Gateway, noted: readonly NotedRoute[]): void {
  const { version, client, basePath } = gateway;
  app.get('/', { config: { access: 'open', doc: INDEX_DOC } }, async () => ({
    name: 'infer',
    version,
    routes: noted
      .filter(({ hidden }) => !hidden)
      .map(({ method, url }) => ({ method, path: basePath + url })),
  }));
  app.get('/healthz', { config: { access: 'open', doc: HEALTH_DOC } }, async () => ({ live: true }));
  app.get('/readyz', { config: { access: 'open', doc: READY_DOC } }, async () => {
    await refuseUnready(gateway);
    return { ready: true };
  });
  addErrorRoute(app, ERROR_DOC);
  app.get(
    '/examples/:model',
    {
      config: { access: 'known', doc: EXAMPLE_DOC },
      schema: {
        params: z.object({ model: z.string().describe('name of a model, or one version of it: name@2') }),
      },
    },
    async ({ params: { model }, caller }) => {
      if (!mayUse(caller, parseModel(model).model)) throw noModel(model);
      const input = exampleInput(await ofOwn(caller, client.signatures.find(model)));
      if (input !== undefined) return { model, input };
      throw new InferError(
        'MODEL_UNKNOWN',
        'there is no example: the input is too large, or only the handler of the model knows it',
        {
          hint: 'see the README of the model',
        },
      );
    },
  );
}

/** @throws InferError DRAINING, NOT_READY, REDIS_… (503). */
async function refuseUnready(gateway: Gateway): Promise<void> {
  const { requiredModels } = gateway;
  refuseDraining(gateway);
  const look = requiredModels.length === 0 ? noWorkers(gateway) : liveWorkers(gateway);
  const workers = await answerWithin(PROBE_MS, look, () => {
    throw new InferError('REDIS_TIMEOUT', `Redis did not answer within ${PROBE_MS} ms`);
  });
  const served = new Set(workers.flatMap(({ models }) => models.map(({ name }) => name)));
  const missing = requiredModels.filter((name) => !served.has(name));
  if (missing.length === 0) return;
  throw new InferError('NOT_READY', `no worker serves ${missing.join(', ')}`, {
    hint: `infer worker --model ${missing[0]}`,
  });
}

/** If no model is required, a reply from Redis is enough. */
async function noWorkers({ client }: Gateway): Promise<WorkerRecord[]> {
  await worded(client.redis, client.redis.ping());
  return [];
}
