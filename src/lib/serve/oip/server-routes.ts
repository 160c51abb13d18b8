import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import type { Gateway } from '../gateway/gateway.js';
import { patiently } from '../gateway/jobs/patience.js';
import { liveWorkers } from '../gateway/live-workers.js';
import type { App } from '../http/app.js';
import { oipErrorForm } from './error-form.js';
import { LIVE_DOC, READY_DOC, serverDoc } from './oip-docs.js';

/** Supported extensions of Triton, and infer's own: requests that return a job. */
const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'parameters',
  'schedule_policy',
  'statistics',
  'infer_async_jobs',
] as const;

const NAME = 'infer';

const OPEN = { access: 'open', errorForm: oipErrorForm } as const;

/** Metadata, liveness and readiness of the server. */
export function addServerRoutes(app: App, gateway: Gateway): void {
  const { version } = gateway;
  for (const path of ['/v2', '/v2/']) {
    app.get(
      path,
      {
        config: { access: 'known', errorForm: oipErrorForm, doc: serverDoc(path.endsWith('/')) },
        schema: {
          response: {
            200: z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
          },
        },
      },
      async () => ({ name: NAME, version, extensions: [...EXTENSIONS] }),
    );
  }
  app.get(
    '/v2/health/live',
    {
      config: { ...OPEN, doc: LIVE_DOC },
      schema: { response: { 200: z.object({ live: z.boolean() }) } },
    },
    async () => ({ live: true }),
  );
  app.get(
    '/v2/health/ready',
    {
      config: { ...OPEN, doc: READY_DOC },
      schema: { response: { 200: z.object({ ready: z.boolean() }) } },
    },
    async ({ signal }) => {
      if (gateway.draining.aborted) throw new InferError('DRAINING', 'the server is shutting down');
      const workers = await patiently(gateway, signal, liveWorkers(gateway));
      if (workers.some(({ models }) => models.length > 0)) return { ready: true };
      throw new InferError('NO_WORKERS', 'no worker serves a model', { hint: 'start one: infer worker' });
    },
  );
}
