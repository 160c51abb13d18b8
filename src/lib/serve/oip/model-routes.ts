import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import { readWorkerTotals, WorkFigures } from '../../queue/work-stats.js';
import { worded } from '../../redis/worded.js';
import type { Caller } from '../auth/caller.js';
import type { Gateway } from '../gateway/gateway.js';
import { patiently } from '../gateway/jobs/patience.js';
import { type KnownModel, knownModels } from '../gateway/known-models.js';
import { mayUse, ofOwn, ownModels } from '../gateway/own-models.js';
import type { App } from '../http/app.js';
import { oipErrorForm } from './error-form.js';
import { type ModelParams, modelName, ofModel, unknownModel } from './find-model.js';
import { configOf, METADATA, metadataOf } from './metadata.js';
import { ALL_STATS_DOC, modelDocs } from './oip-docs.js';
import { statisticsOf } from './statistics.js';

const VERSION = z
  .string()
  .regex(/^\d{1,9}$/, 'it is a number')
  .describe('version of the model');
const MODEL = z.string().describe('name of the model');

/** Addresses of a model with their parameters: the served version, or one version. */
export const MODEL_PATHS = [
  ['/v2/models/:model', z.object({ model: MODEL }), 'served'],
  ['/v2/models/:model/versions/:version', z.object({ model: MODEL, version: VERSION }), 'version'],
] as const;

const CONFIG = { access: 'known', errorForm: oipErrorForm } as const;

/** Metadata, readiness, configuration and statistics of models. */
export function addModelRoutes(app: App, gateway: Gateway): void {
  for (const [path, params, address] of MODEL_PATHS) {
    const docs = modelDocs(address);
    app.get(
      path,
      {
        config: { ...CONFIG, doc: docs.metadata },
        schema: { params, response: { 200: METADATA } },
      },
      async (request) => {
        const { model, signature } = await described(gateway, request);
        return metadataOf(signature, model.versions);
      },
    );
    app.get(
      `${path}/ready`,
      { config: { ...CONFIG, doc: docs.ready }, schema: { params } },
      async (request) => {
        const model = await find(gateway, request);
        const { params } = request;
        if (isServed(model, params)) return { name: model.name, ready: true };
        throw notReady(model, params);
      },
    );
    app.get(
      `${path}/config`,
      { config: { ...CONFIG, doc: docs.config }, schema: { params } },
      async (request) => {
        const { model, signature } = await described(gateway, request);
        return configOf(signature, model);
      },
    );
    app.get(
      `${path}/stats`,
      { config: { ...CONFIG, doc: docs.stats }, schema: { params } },
      async (request) => {
        const model = await find(gateway, request);
        return statistics(gateway, request.signal, eachVersion(model));
      },
    );
  }
  app.get('/v2/models/stats', { config: { ...CONFIG, doc: ALL_STATS_DOC } }, async ({ caller, signal }) =>
    statistics(gateway, signal, (await ownModels(gateway, caller, signal)).flatMap(eachVersion)),
  );
}

/** A request whose path names a model. */
interface Asked {
  caller: Caller;
  params: ModelParams;
  signal: AbortSignal;
}

/** A known model, in the version of the address. */
async function find(gateway: Gateway, { caller, params, signal }: Asked): Promise<KnownModel> {
  const { model, version } = params;
  modelName(params);
  const found = (await ownModels(gateway, caller, signal)).find(({ name }) => name === model);
  if (found === undefined) throw unknownModel(params);
  if (version === undefined) return found;
  if (!found.versions.includes(Number(version))) throw unknownModel(params);
  return onlyVersion(found, Number(version));
}

/** A model as if it had one version alone. */
function onlyVersion(model: KnownModel, version: number): KnownModel {
  const served = model.served.filter(({ model: one }) => one.version === version);
  return { ...model, versions: [version], served };
}

/** Clients look for figures by name and version. */
function eachVersion(model: KnownModel): KnownModel[] {
  return model.versions.map((version) => onlyVersion(model, version));
}

/** A model, or one version of it, with what it takes, which may have to be read from the models directory. */
async function described(gateway: Gateway, { caller, params, signal }: Asked) {
  if (!mayUse(caller, params.model)) throw unknownModel(params);
  const { signatures } = gateway.client;
  const [signature, known] = await Promise.all([
    ofModel(params, () => patiently(gateway, signal, ofOwn(caller, signatures.find(modelName(params))))),
    knownModels(gateway, signal),
  ]);
  const { name, version } = signature;
  const model = known.find((one) => one.name === name) ?? lonely(name, version);
  return { signature, model: params.version === undefined ? model : onlyVersion(model, version) };
}

/** A model that was removed at this moment. */
function lonely(name: string, version: number): KnownModel {
  return { name, signature: undefined, served: [], versions: [version], loading: false, problem: undefined };
}

function isServed({ served }: KnownModel, { version }: ModelParams): boolean {
  return served.some(({ model }) => version === undefined || model.version === Number(version));
}

function notReady({ name, loading, problem }: KnownModel, { version }: ModelParams): InferError {
  const what = version === undefined ? `model '${name}'` : `model '${name}' version ${version}`;
  if (loading) {
    return new InferError('MODEL_LOADING', `${what} is not ready: a worker is loading it`, {
      hint: 'try again when it is ready',
    });
  }
  const why = problem === undefined ? 'no worker serves it' : problem;
  return new InferError('NO_WORKERS', `${what} is not ready: ${why}`, {
    hint:
      version === undefined ? `infer worker --model ${name}` : `infer control load WORKER ${name}@${version}`,
  });
}

async function statistics(gateway: Gateway, signal: AbortSignal, models: readonly KnownModel[]) {
  const { client, prefix } = gateway;
  const ids = [...new Set(models.flatMap(({ served }) => served.map(({ worker }) => worker.id)))];
  const read = worded(client.redis, readWorkerTotals(client.redis, prefix, ids));
  const totals = await patiently(gateway, signal, read);
  return {
    model_stats: models.map((model) => {
      const sum = new WorkFigures();
      for (const { worker } of model.served) {
        for (const figures of totals.get(worker.id)?.values() ?? []) {
          const own = figures.models.get(model.name);
          if (own !== undefined) sum.merge(own);
        }
      }
      return statisticsOf(model, sum);
    }),
  };
}
