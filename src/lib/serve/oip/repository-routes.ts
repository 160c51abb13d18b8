import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import { orderWorkers } from '../../operations/order-workers.js';
import type { OrderedWorkers, WorkerOutcome } from '../../operations/outcomes.js';
import type { Order } from '../../queue/broker/control.js';
import type { Gateway } from '../gateway/gateway.js';
import { performFor } from '../gateway/jobs/actor.js';
import { forgetModels, type KnownModel, knownModels } from '../gateway/known-models.js';
import { mayUse, ownModels } from '../gateway/own-models.js';
import type { App } from '../http/app.js';
import { readJson } from '../http/body.js';
import { oipErrorForm } from './error-form.js';
import { modelName, unknownModel } from './find-model.js';
import { indexDoc, repositoryDoc } from './oip-docs.js';

const PARAMS = z.object({ model: z.string().describe('model, or model@version') });
const REPOSITORY = z.object({ repository: z.string().describe('any name: there is one repository') });

const INDEX_BODY = z
  .looseObject({ ready: z.boolean().optional().describe('only models that are ready [all]') })
  .describe('what to list');

const ENTRY = z.object({
  name: z.string(),
  version: z.string().optional(),
  state: z.enum(['READY', 'LOADING', 'UNAVAILABLE']),
  reason: z.string(),
});

/** Parameters of load and unload; Triton's `config` and `file:…` have no meaning here. */
const ORDER_BODY = z
  .looseObject({
    parameters: z
      .looseObject({
        workers: z
          .string()
          .min(1)
          .optional()
          .describe('names or patterns of workers, with commas between them [all]'),
        config: z.never({ error: 'a model is configured by its model.json' }).optional(),
        unload_dependents: z.boolean().optional().describe('there are none; accepted and ignored'),
      })
      .optional(),
  })
  .describe('how to load or unload');

/** Maximum size of a body; it names a model only. */
const BODY_BYTES = 1024 * 1024;
/** Milliseconds that a worker may be silent; while it loads, it reports now and then. */
const SILENT_MS = 10_000;
/** Time limit of the whole request, ms: a large model takes minutes to load. */
const LOAD_MS = 600_000;

/** The repository: its index; load and unload if the server may steer workers. */
export function addRepositoryRoutes(app: App, gateway: Gateway): void {
  const known = { access: 'known', errorForm: oipErrorForm } as const;
  for (const [path, params] of [
    ['/v2/repository/index', undefined],
    ['/v2/repository/:repository/index', REPOSITORY],
  ] as const) {
    app.post(
      path,
      {
        config: { ...known, doc: indexDoc(INDEX_BODY, params !== undefined) },
        schema: { ...(params === undefined ? {} : { params }), response: { 200: z.array(ENTRY) } },
      },
      async (request) => {
        const { ready } = await readJson(request, INDEX_BODY, { maxBytes: BODY_BYTES });
        const entries = (await ownModels(gateway, request.caller, request.signal)).flatMap(entriesOf);
        return entries.filter(({ state }) => ready !== true || state === 'READY');
      },
    );
  }
  if (!gateway.control) return;
  const control = { access: 'control', errorForm: oipErrorForm, endless: true } as const;
  for (const verb of ['load', 'unload'] as const) {
    for (const [path, params] of [
      [`/v2/repository/models/:model/${verb}`, PARAMS],
      [`/v2/repository/:repository/models/:model/${verb}`, PARAMS.extend(REPOSITORY.shape)],
    ] as const) {
      app.post(
        path,
        {
          config: { ...control, doc: repositoryDoc(verb, ORDER_BODY, params !== PARAMS) },
          schema: { params },
        },
        async (request) => {
          const body = await readJson(request, ORDER_BODY, { maxBytes: BODY_BYTES });
          const { model, version } = named(request.params.model);
          if (!mayUse(request.caller, model)) throw unknownModel({ model });
          const order: Order =
            verb === 'load'
              ? { verb, model, ...(version === undefined ? {} : { version }) }
              : { verb, model, force: false };
          const workers = body.parameters?.workers ?? (await workersFor(gateway, request.signal, order));
          if (workers !== '') await steer(gateway, request, order, workers);
          return {};
        },
      );
    }
  }
}

/** All workers load a model; those that serve it unload it. If none serves it, nothing is done. */
async function workersFor(
  gateway: Gateway,
  signal: AbortSignal,
  { verb, model }: Extract<Order, { model: string }>,
): Promise<string> {
  if (verb === 'load') return '*';
  const found = (await knownModels(gateway, signal)).find(({ name }) => name === model);
  if (found === undefined) throw unknownModel({ model });
  return found.served.map(({ worker }) => worker.id).join(',');
}

function named(text: string): { model: string; version?: number } {
  const [, model = text, version] = /^(.+)@(\d{1,9})$/.exec(text) ?? [];
  modelName({ model, version });
  return version === undefined ? { model } : { model, version: Number(version) };
}

/** One entry for each served version, or one for a model that is not served. */
function entriesOf({ name, served, versions, loading, problem }: KnownModel): z.output<typeof ENTRY>[] {
  if (served.length > 0)
    return versions.map((version) => ({
      name,
      version: String(version),
      state: 'READY' as const,
      reason: '',
    }));
  const version = versions.at(-1);
  const reason = loading ? 'a worker is loading it' : (problem ?? 'no worker serves it');
  return [
    {
      name,
      ...(version === undefined ? {} : { version: String(version) }),
      state: loading ? ('LOADING' as const) : ('UNAVAILABLE' as const),
      reason,
    },
  ];
}

/**
 * @throws InferError with the text `failed to load`, which clients look for, when a worker refuses or is
 *   silent.
 */
async function steer(
  gateway: Gateway,
  request: FastifyRequest,
  order: Extract<Order, { model: string }>,
  workers: string,
): Promise<void> {
  const name =
    'version' in order && order.version !== undefined ? `${order.model}@${order.version}` : order.model;
  const operation = orderWorkers(order, workers, { timeoutMs: SILENT_MS, detail: name });
  let done: OrderedWorkers;
  try {
    // Nothing is sent meanwhile, so the connection would be closed. Its next request has the usual limit again.
    request.raw.socket.setTimeout(LOAD_MS + SILENT_MS);
    done = await performFor(gateway, request, operation, LOAD_MS);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw error.reworded(`${failed(order.verb, name)}: ${error.message}`);
  }
  forgetModels(gateway);
  const refused = done.workers.find(({ state }) => state !== 'ok');
  if (refused !== undefined) throw refusal(order.verb, name, refused);
}

const failed = (verb: 'load' | 'unload', model: string): string => `failed to ${verb} '${model}'`;

function refusal(verb: 'load' | 'unload', model: string, worker: WorkerOutcome): InferError {
  const { name, state, said, code, hint, silentMs } = worker;
  if (state === 'silent') {
    return new InferError(
      'NO_ANSWER',
      `${failed(verb, model)}: worker ${name} did not answer for ${silentMs} ms`,
    );
  }
  const record = {
    code: code ?? 'CONTROL',
    message: `${failed(verb, model)} in worker ${name}: ${said}`,
    hint,
  };
  return InferError.of(record);
}
