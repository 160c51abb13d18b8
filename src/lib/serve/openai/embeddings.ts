import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { SubmittedJob } from '../../client/types.js';
import { InferError } from '../../core/errors.js';
import { rowNumbers } from '../../core/row-place.js';
import type { Chunk } from '../../input/chunk.js';
import { toNumbers } from '../../model/elements.js';
import { floatsText } from '../../model/float-text.js';
import type { ModelSignature } from '../../model/signature.js';
import { type DataType, ELEMENT_BYTES, type Payload, rowStarts } from '../../model/tensor.js';
import { refuseDraining } from '../gateway/admit.js';
import type { Gateway } from '../gateway/gateway.js';
import { patiently } from '../gateway/jobs/patience.js';
import { ofOwn, ownModel } from '../gateway/own-models.js';
import { letWaiterIn, runForCaller, type WaitingCaller } from '../gateway/run-for-caller.js';
import type { App } from '../http/app.js';
import { readJson } from '../http/body.js';
import type { RouteDoc } from '../http/route-doc.js';
import {
  JOB_FAILURES,
  NO_MODEL,
  NO_WAIT,
  NOT_LET_IN,
  REDIS_AWAY,
  WRONG_INPUT,
} from '../openapi/error-groups.js';
import { type EmbeddingInput, embeddingRows, isEmbeddingInput, MOST_ROWS } from './embedding-input.js';
import { openaiErrorForm } from './error-form.js';

/** Maximum number of concurrent jobs of a request: lists of tokens of each length are a separate job. */
const MOST_JOBS = 32;
/** Numbers written as text before other work gets its turn. */
const NUMBERS_A_TURN = 65_536;

const TOKENS = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 1 } as const;
const ROWS = { type: 'array', minItems: 1, maxItems: MOST_ROWS } as const;

const INPUT = z
  .unknown()
  .refine(isEmbeddingInput, {
    error: `it is a text, a list of tokens, or a list of 1 to ${MOST_ROWS} of one of these; 1,000,000 tokens at most`,
  })
  .meta({
    description: 'a text, texts, a list of tokens or lists of tokens: what of them the model takes',
    // For the document: the check itself is no schema.
    anyOf: [{ type: 'string' }, { ...ROWS, items: { type: 'string' } }, TOKENS, { ...ROWS, items: TOKENS }],
  }) as unknown as z.ZodType<EmbeddingInput>;

const REQUEST = z
  .looseObject({
    model: z.string().min(1).max(140).describe('model whose task is embedding, or model@version'),
    input: INPUT,
    encoding_format: z
      .enum(['float', 'base64'], { error: 'it is float or base64' })
      .default('float')
      .describe('base64: float32, little endian'),
    dimensions: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('length of the vectors; must be that of the model'),
    user: z.string().optional().describe('accepted and ignored'),
  })
  .describe('what to embed');

const ANSWER = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.number(),
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: z.object({
    prompt_tokens: z.number().describe('0 for texts: only the model knows their tokens'),
    total_tokens: z.number(),
  }),
});

const DOC: RouteDoc = {
  id: 'createEmbeddings',
  topic: 'OpenAI',
  summary: 'vectors of texts or tokens',
  description:
    'For models of task embedding. Waits for the result; its jobs are cancelled when the caller disconnects.',
  headers: ['content-encoding'],
  body: {
    required: true,
    content: {
      'application/json': {
        schema: REQUEST,
        examples: {
          texts: { summary: 'two texts', value: { model: 'minilm', input: ['a text', 'another'] } },
          tokens: { summary: 'tokens', value: { model: 'minilm', input: [[101, 7592, 102]] } },
        },
      },
    },
  },
  answers: {
    200: {
      description: 'a vector for each text or list of tokens',
      headers: ['ratelimit', 'ratelimit-policy'],
      example: {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [0.12, -0.5, 0.33] }],
        model: 'minilm',
        usage: { prompt_tokens: 3, total_tokens: 3 },
      },
    },
  },
  errors: [
    ...REDIS_AWAY,
    ...NO_MODEL,
    ...WRONG_INPUT,
    ...NOT_LET_IN,
    ...NO_WAIT,
    ...JOB_FAILURES,
    'MODEL_TASK',
    'NO_WORKERS',
    'WAIT_TIMEOUT',
  ],
};

/** One row's vector as elements of a tensor. */
interface Vector {
  type: DataType;
  data: Uint8Array;
}

/** `POST /v1/embeddings` for models of task `embedding`. */
export function addEmbeddingRoutes(app: App, gateway: Gateway): void {
  app.post(
    '/v1/embeddings',
    {
      config: { access: 'submit', errorForm: openaiErrorForm, doc: DOC },
      schema: { response: { 200: ANSWER } },
    },
    async (request, reply) => gateway.waits.during(request.caller, () => embed(gateway, request, reply)),
  );
}

async function embed(gateway: Gateway, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  refuseDraining(gateway);
  const body = await readJson(request, REQUEST, { maxBytes: gateway.limits.maxBody });
  const model = ownModel(request.caller, body.model);
  const { input, dimensions, encoding_format: format } = body;
  const read = (known: ModelSignature) => {
    const rows = embeddingRows(input, known);
    checkLength(dimensions, known);
    return rows;
  };
  const fit = ofOwn(request.caller, gateway.client.signatures.fitBy(read, model));
  const [wanted, signature] = await patiently(gateway, request.signal, fit);
  const { chunks, rows } = wanted;
  const admission = await letWaiterIn(gateway, request, reply, { payload: { rows }, signature });
  // With several jobs, no single one represents the request; its wait ends when all have ended.
  const isOne = chunks.length === 1;
  if (!isOne) admission.lasting();
  const told = (job: SubmittedJob) => (isOne ? admission.submitted(job) : undefined);
  const { caller, heldResult } = request;
  const run = (chunk: Chunk, signal: AbortSignal) =>
    runChunk(gateway, { caller, signal, heldResult }, chunk, signature, told);
  const vectors = await inOrder(chunks, rows, request.signal, run).finally(() => admission.over());
  const data = await rowTexts(vectors, format);
  return answer(reply, data, signature.name, wanted.tokens ?? 0);
}

/** The text of an `ANSWER` whose vectors are already JSON. */
function answer(reply: FastifyReply, data: readonly string[], model: string, tokens: number): FastifyReply {
  const rest = JSON.stringify({ model, usage: { prompt_tokens: tokens, total_tokens: tokens } }).slice(1);
  return reply.type('application/json').send(`{"object":"list","data":[${data.join(',')}],${rest}`);
}

/** @throws InferError PARAMETER if the requested length of vectors is not that of the model. */
function checkLength(dimensions: number | undefined, { name, outputs }: ModelSignature): void {
  const length = outputs[0]?.shape.at(-1);
  if (dimensions === undefined || length === dimensions) return;
  throw new InferError(
    'PARAMETER',
    `dimensions: model ${name} returns vectors of ${length ?? 'their own length'}`,
    {
      hint: 'leave dimensions out',
    },
  );
}

async function runChunk(
  gateway: Gateway,
  asking: WaitingCaller,
  { place: _, ...payload }: Chunk,
  signature: ModelSignature,
  told: (job: SubmittedJob) => void,
): Promise<Vector[]> {
  const { outputs } = await runForCaller(gateway, asking, { payload, signature }, told);
  if (outputs === undefined) throw new InferError('RESULT_EXPIRED', 'the result was not kept');
  return vectorsOf(outputs);
}

/**
 * Runs chunks, at most `MOST_JOBS` at a time, and returns the results of their rows in input order. When one
 * fails, the others are cancelled. Settles when none is running any longer.
 * @throws the first failure
 */
export async function inOrder<T, Part extends Pick<Chunk, 'rows' | 'place'>>(
  chunks: readonly Part[],
  rows: number,
  signal: AbortSignal,
  run: (chunk: Part, signal: AbortSignal) => Promise<readonly T[]>,
): Promise<T[]> {
  const found = new Array<T>(rows);
  const stop = new AbortController();
  const until = chunks.length === 1 ? signal : AbortSignal.any([signal, stop.signal]);
  // Each chunk listens to it several times, which is no leak.
  if (until !== signal) setMaxListeners(0, until);
  const waiting = chunks[Symbol.iterator]();
  let next = 0;
  const runner = async () => {
    // Of all runners together, each chunk once.
    for (const chunk of waiting) {
      if (until.aborted) return;
      const numbers = rowNumbers(chunk.place ?? { firstRow: next }, chunk.rows);
      next += chunk.rows;
      const values = await run(chunk, until);
      for (const [row, number] of numbers.entries()) found[number] = values[row] as T;
    }
  };
  const failures: unknown[] = [];
  const runners = Array.from({ length: Math.min(MOST_JOBS, chunks.length) }, () =>
    runner().catch((error: unknown) => {
      failures.push(error);
      stop.abort(error);
    }),
  );
  await Promise.all(runners);
  if (failures.length > 0) throw failures[0];
  signal.throwIfAborted();
  return found;
}

/** The rows of a result that is one output of floats. */
function vectorsOf({ rows, tensors }: Payload): Vector[] {
  const [tensor] = tensors;
  const bytes = tensor === undefined ? 0 : ELEMENT_BYTES[tensor.type];
  if (tensor === undefined || bytes === 0)
    throw new InferError('OUTPUT_MIXED', 'the result is not an embedding: the model was changed', {
      hint: 'send the request again',
    });
  const starts = rowStarts(tensor, rows);
  return Array.from({ length: rows }, (_, row) => ({
    type: tensor.type,
    data: tensor.data.subarray((starts[row] as number) * bytes, (starts[row + 1] as number) * bytes),
  }));
}

async function rowTexts(vectors: readonly Vector[], format: 'float' | 'base64'): Promise<string[]> {
  const texts: string[] = [];
  let numbers = 0;
  for (const [index, vector] of vectors.entries()) {
    numbers += vector.data.length / ELEMENT_BYTES[vector.type];
    if (numbers > NUMBERS_A_TURN) {
      numbers = 0;
      await nextTurn();
    }
    const embedding = format === 'float' ? floatText(vector, index) : JSON.stringify(base64Of(vector));
    texts.push(`{"object":"embedding","index":${index},"embedding":${embedding}}`);
  }
  return texts;
}

function floatText({ type, data }: Vector, index: number): string {
  const values = toNumbers(type, data) as ArrayLike<number>;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new InferError('RUN_FAILED', `the vector of input ${index + 1} contains ${values[i]}`, {
      hint: 'request base64, which can represent it',
    });
  }
  // float16 is a Float32Array here, whose numbers have all their digits.
  return `[${type === 'float32' ? floatsText(values as Float32Array) : Array.from(values).join(',')}]`;
}

function base64Of({ type, data }: Vector): string {
  const bytes =
    type === 'float32'
      ? data
      : new Uint8Array(Float32Array.from(toNumbers(type, data) as ArrayLike<number>).buffer);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
