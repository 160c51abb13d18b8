import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import { printable } from '../../core/printable.js';
import type { Gateway } from '../gateway/gateway.js';
import type { KnownModel } from '../gateway/known-models.js';
import { ownModels } from '../gateway/own-models.js';
import type { App } from '../http/app.js';
import type { RouteDoc } from '../http/route-doc.js';
import { REDIS_AWAY } from '../openapi/error-groups.js';
import { openaiErrorForm } from './error-form.js';

const MODEL = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z
      .number()
      .describe('when the first of its workers started, seconds since the epoch; 0 without one'),
    owned_by: z.string(),
    task: z
      .string()
      .nullable()
      .describe('embedding, classification, tensor or handler; null until a worker has loaded it'),
    versions: z.array(z.number()),
    ready: z.boolean().describe('whether a worker serves it'),
  })
  .describe('a model')
  .meta({ id: 'Model' });

const CONFIG = { access: 'known', errorForm: openaiErrorForm } as const;
const EXAMPLE: z.output<typeof MODEL> = {
  id: 'minilm',
  object: 'model',
  created: 1795881600,
  owned_by: 'infer',
  task: 'embedding',
  versions: [1],
  ready: true,
};
const LIST_DOC: RouteDoc = {
  id: 'listModels',
  topic: 'OpenAI',
  summary: 'all models that the token may use',
  answers: { 200: { description: 'the models', example: { object: 'list', data: [EXAMPLE] } } },
  errors: REDIS_AWAY,
};
const MODEL_DOC: RouteDoc = {
  id: 'getModel',
  topic: 'OpenAI',
  summary: 'one model',
  answers: { 200: { description: 'the model', example: EXAMPLE } },
  errors: [...REDIS_AWAY, 'MODEL_UNKNOWN'],
};

/** The models as OpenAI's clients list them, with additional fields. */
export function addModelListRoutes(app: App, gateway: Gateway): void {
  app.get(
    '/v1/models',
    {
      config: { ...CONFIG, doc: LIST_DOC },
      schema: { response: { 200: z.object({ object: z.literal('list'), data: z.array(MODEL) }) } },
    },
    async ({ caller, signal }) => ({
      object: 'list' as const,
      data: (await ownModels(gateway, caller, signal)).map(modelJson),
    }),
  );
  app.get(
    '/v1/models/:model',
    {
      config: { ...CONFIG, doc: MODEL_DOC },
      schema: {
        params: z.object({ model: z.string().describe('name of the model') }),
        response: { 200: MODEL },
      },
    },
    async ({ params: { model }, caller, signal }) => {
      const found = (await ownModels(gateway, caller, signal)).find(({ name }) => name === model);
      if (found !== undefined) return modelJson(found);
      throw new InferError('MODEL_UNKNOWN', `model: no model is called '${printable(model)}'`, {
        hint: 'GET /v1/models lists them',
      });
    },
  );
}

function modelJson({ name, signature, served, versions }: KnownModel): z.output<typeof MODEL> {
  const starts = served.map(({ worker }) => worker.startedAt);
  return {
    id: name,
    object: 'model',
    created: starts.length === 0 ? 0 : Math.floor(Math.min(...starts) / 1000),
    owned_by: 'infer',
    task: signature?.task ?? null,
    versions,
    ready: served.length > 0,
  };
}
