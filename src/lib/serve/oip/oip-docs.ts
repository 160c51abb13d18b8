import { z } from 'zod';
import type { AnswerDoc, ContentDoc, JsonSchema, RouteDoc } from '../http/route-doc.js';
import {
  JOB_FAILURES,
  NO_MODEL,
  NO_WAIT,
  NOT_LET_IN,
  ORDERS,
  REDIS_AWAY,
  WRONG_INPUT,
  WRONG_OPTIONS,
} from '../openapi/error-groups.js';

/* OpenAPI documentation of the routes of the Open Inference Protocol. */

/** The address of a route that is documented; operation ids have to differ. */
export type Address = 'served' | 'version';

const TENSORS = 'application/octet-stream';
const BYTES: JsonSchema = { type: 'string', format: 'binary' };
const named = (id: string, address: Address) => (address === 'served' ? id : `${id}Version`);
const which = (address: Address) => (address === 'served' ? '' : ' in one version');

const json = (description: string, schema: z.ZodType, value: unknown): AnswerDoc => ({
  description,
  content: { 'application/json': { schema, examples: { one: { summary: 'a response', value } } } },
});

const INFER_BODY: ContentDoc = {
  'application/json': {
    schema: { $ref: '#/components/schemas/InferRequest' },
    examples: {
      oneRow: {
        summary: 'one row of four numbers',
        value: { inputs: [{ name: 'pixels', shape: [1, 4], datatype: 'FP32', data: [0, 0, 5, 13] }] },
      },
    },
  },
  [TENSORS]: {
    schema: {
      ...BYTES,
      description:
        'the JSON, then the bytes of its binary tensors, which start at Inference-Header-Content-Length',
    },
  },
};

const INFER_ANSWER: AnswerDoc = {
  description: 'the outputs',
  headers: ['inference-header-content-length', 'server-timing', 'ratelimit', 'ratelimit-policy'],
  content: {
    'application/json': {
      schema: { $ref: '#/components/schemas/InferAnswer' },
      examples: {
        oneRow: {
          summary: 'one output',
          value: {
            model_name: 'digits',
            model_version: '1',
            outputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 2], data: [0.98, 0.02] }],
          },
        },
      },
    },
    [TENSORS]: { schema: { ...BYTES, description: 'the JSON, then the bytes of the binary outputs' } },
  },
};

const QUEUED = {
  id: 'j1m9abc',
  kind: 'job',
  queue: 'realtime',
  model: 'digits',
  state: 'waiting',
  rows: 1,
  priority: 0,
  urls: {
    self: '/v1/jobs/j1m9abc',
    result: '/v1/jobs/j1m9abc/result',
    events: '/v1/jobs/j1m9abc/events',
    cancel: '/v1/jobs/j1m9abc/cancel',
  },
};

/** Documentation of `POST …/infer`. */
export const inferDoc = (address: Address): RouteDoc => ({
  id: named('infer', address),
  topic: 'Inference',
  summary: `run a model${which(address)}`,
  description:
    'Waits for the result. If the caller disconnects, the job is cancelled. With `Prefer: respond-async` the job is returned at once. Each model that workers serve has its own path, with its inputs.',
  headers: ['prefer', 'inference-header-content-length', 'accept-encoding', 'content-encoding'],
  body: { required: true, content: INFER_BODY },
  answers: {
    200: INFER_ANSWER,
    202: {
      description: 'the job was queued (`Prefer: respond-async`)',
      headers: ['location', 'retry-after', 'preference-applied', 'ratelimit', 'ratelimit-policy'],
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/Job' },
          examples: { one: { summary: 'a job', value: QUEUED } },
        },
      },
    },
  },
  errors: [
    ...REDIS_AWAY,
    ...NO_MODEL,
    ...WRONG_INPUT,
    ...WRONG_OPTIONS,
    ...NOT_LET_IN,
    ...NO_WAIT,
    ...JOB_FAILURES,
    'NO_WORKERS',
    'OUTPUT_FORM',
    'WAIT_TIMEOUT',
  ],
});

const MODEL_ERRORS = [...REDIS_AWAY, ...NO_MODEL] as const;

const METADATA_EXAMPLE = {
  name: 'digits',
  versions: ['1'],
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
};

/** Documentation of the routes that describe a model, for one of its addresses. */
export const modelDocs = (address: Address) =>
  ({
    metadata: {
      id: named('getModelMetadata', address),
      topic: 'Models',
      summary: `inputs and outputs of a model${which(address)}`,
      answers: { 200: { description: 'inputs and outputs', example: METADATA_EXAMPLE } },
      errors: MODEL_ERRORS,
    },
    ready: {
      id: named('getModelReadiness', address),
      topic: 'Models',
      summary: `whether a worker serves a model${which(address)}`,
      answers: {
        200: json('a worker serves it', z.object({ name: z.string(), ready: z.literal(true) }), {
          name: 'digits',
          ready: true,
        }),
      },
      errors: [...MODEL_ERRORS, 'NO_WORKERS'],
    },
    config: {
      id: named('getModelConfig', address),
      topic: 'Models',
      summary: `a model${which(address)} as Triton's model configuration`,
      answers: { 200: json('the configuration', CONFIG, CONFIG_EXAMPLE) },
      errors: MODEL_ERRORS,
    },
    stats: {
      id: named('getModelStats', address),
      topic: 'Models',
      summary: `statistics of a model${which(address)}`,
      answers: { 200: json('the statistics', STATS, STATS_EXAMPLE) },
      errors: MODEL_ERRORS,
    },
  }) as const satisfies Readonly<Record<string, RouteDoc>>;

const CONFIG_TENSOR = z.looseObject({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.number()),
});
const CONFIG = z.looseObject({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: z.number().describe('0 for a model that runs one row at a time'),
  input: z.array(CONFIG_TENSOR),
  output: z.array(CONFIG_TENSOR),
});
const CONFIG_EXAMPLE = {
  name: 'digits',
  platform: 'onnxruntime_onnx',
  backend: 'onnxruntime',
  max_batch_size: 1024,
  input: [{ name: 'pixels', data_type: 'TYPE_FP32', dims: [64], optional: false }],
  output: [{ name: 'scores', data_type: 'TYPE_FP32', dims: [10] }],
};

const DURATION = z.object({ count: z.number(), ns: z.number() });
const STATS = z.object({
  model_stats: z.array(
    z.looseObject({
      name: z.string(),
      version: z.string(),
      inference_count: z.number().describe('rows'),
      execution_count: z.number().describe('runs'),
      inference_stats: z.record(z.string(), DURATION),
    }),
  ),
});
const STATS_EXAMPLE = {
  model_stats: [
    {
      name: 'digits',
      version: '1',
      inference_count: 480,
      execution_count: 60,
      inference_stats: { success: { count: 480, ns: 1440000000 }, queue: { count: 480, ns: 1000000000 } },
    },
  ],
};

export const ALL_STATS_DOC: RouteDoc = {
  id: 'getAllModelStats',
  topic: 'Models',
  summary: 'statistics of all models',
  answers: { 200: json('the statistics', STATS, STATS_EXAMPLE) },
  errors: REDIS_AWAY,
};

export const serverDoc = (slash: boolean): RouteDoc => ({
  id: slash ? 'getServerMetadataSlash' : 'getServerMetadata',
  topic: 'Inference',
  summary: 'the server and its extensions',
  answers: {
    200: {
      description: 'name, version and extensions',
      example: { name: 'infer', version: '0.1.0', extensions: ['binary_tensor_data', 'classification'] },
    },
  },
});

export const LIVE_DOC: RouteDoc = {
  id: 'getLiveness',
  topic: 'Inference',
  summary: 'whether the server runs',
  answers: { 200: { description: 'it runs', example: { live: true } } },
};

export const READY_DOC: RouteDoc = {
  id: 'getServerReadiness',
  topic: 'Inference',
  summary: 'whether Redis answers and a worker serves a model',
  answers: { 200: { description: 'it is ready', example: { ready: true } } },
  errors: [...REDIS_AWAY, 'DRAINING', 'NO_WORKERS'],
};

/** Documentation of `POST /v2/repository/index`; a second address of Triton has the name of a repository. */
export const indexDoc = (body: z.ZodType, named: boolean): RouteDoc => ({
  id: named ? 'listNamedRepository' : 'listRepository',
  topic: 'Models',
  summary: 'all models and their state',
  headers: ['content-encoding'],
  body: {
    required: false,
    content: {
      'application/json': {
        schema: body,
        examples: { ready: { summary: 'models that workers serve', value: { ready: true } } },
      },
    },
  },
  answers: {
    200: {
      description: 'the models',
      example: [{ name: 'digits', version: '1', state: 'READY', reason: '' }],
    },
  },
  errors: REDIS_AWAY,
});

/** Documentation of `POST /v2/repository/models/MODEL/load` and `unload`. */
export const repositoryDoc = (verb: 'load' | 'unload', body: z.ZodType, named: boolean): RouteDoc => ({
  id: `${verb}${named ? 'Named' : ''}RepositoryModel`,
  topic: 'Control',
  summary: `${verb} a model ${verb === 'load' ? 'in' : 'from'} workers`,
  headers: ['content-encoding'],
  body: {
    required: false,
    content: {
      'application/json': {
        schema: body,
        examples: { some: { summary: 'some workers only', value: { parameters: { workers: 'gpu-*' } } } },
      },
    },
  },
  answers: { 200: json('all workers carried it out', z.object({}), {}) },
  errors: [
    ...REDIS_AWAY,
    ...ORDERS,
    'REDIS_FULL',
    'REDIS_NOREPLICAS',
    'MODEL_UNKNOWN',
    'MODELS_DIR',
    'MODEL_LOAD',
    'HANDLER_LOAD',
    'MODEL_MANIFEST',
    'MODEL_PATH',
    'MODEL_READ_FAILED',
    'MODEL_UNREADABLE',
    'GPU_UNAVAILABLE',
    'RUNNER_DIED',
  ],
});
