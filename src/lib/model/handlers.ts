import { InferError, messageOf, SOFT_TIME_LIMIT } from '../core/errors.js';
import { handlerLoadError, importHandler } from './handler-import.js';
import { answerText, type HandlerOutput, inputsOf, outputsOf } from './handler-values.js';
import type { RowFailure } from './row-failure.js';
import { JSON_TENSOR, type ModelSignature, type TensorSignature } from './signature.js';
import {
  concatRows,
  decodeStrings,
  encodeStrings,
  type Payload,
  type RowTensor,
  shapeKey,
} from './tensor.js';

/** What a handler's functions are given besides the row. */
export interface HandlerContext {
  /** Name of the model. */
  model: string;
  /** The model's own inputs and outputs, before the handler. */
  signature: ModelSignature;
  /** Aborted at the soft time limit of the jobs in the run, and when the runner is told to stop. */
  signal: AbortSignal;
}

/** The module a manifest's `handler` names; both functions are optional, sync or async. */
export interface Handler {
  /** One JSON row to `{input: number[] | nested arrays | typed array | {shape, data}}`. */
  preprocess?(row: unknown, context: HandlerContext): unknown;
  /** One row of the model's outputs to a JSON value. */
  postprocess?(outputs: Record<string, HandlerOutput>, context: HandlerContext): unknown;
}

/** Loads a handler module, afresh each time with its own files; packages are kept. @throws InferError HANDLER_LOAD (exit 78). */
export async function loadHandler(file: string, label: string): Promise<Handler> {
  const module = (await importHandler(file, label)) as Handler & { default?: Handler };
  const source = (module.preprocess ?? module.postprocess) ? module : (module.default ?? module);
  const handler: Handler = {};
  if (typeof source.preprocess === 'function') handler.preprocess = source.preprocess.bind(source);
  if (typeof source.postprocess === 'function') handler.postprocess = source.postprocess.bind(source);
  if (handler.preprocess === undefined && handler.postprocess === undefined) {
    throw handlerLoadError(label, 'it exports neither preprocess nor postprocess');
  }
  return handler;
}

/** The one string tensor that stands for JSON rows in a published signature. */
export function jsonSignature(batchable: boolean): TensorSignature {
  return {
    name: JSON_TENSOR,
    type: 'string',
    shape: [],
    shared: false,
    role: 'json',
    batchAxis: batchable ? 0 : null,
    modelShape: [],
  };
}

/** One row of a run, wherever it stands in it. */
export interface PlacedRow {
  /** From 0, within the run. */
  place: number;
  payload: Payload;
}

/**
 * Runs `preprocess` on every row, all at once (they may await I/O).
 * @param soft aborted at the soft time limit: what fails from then on fails for that reason.
 * @returns the rows that it gave inputs for, in order, and HANDLER_FAILED or SOFT_TIME_LIMIT for each other row.
 */
export async function preprocessRows(
  handler: Handler,
  payload: Payload,
  context: HandlerContext,
  soft?: AbortSignal,
): Promise<{ rows: PlacedRow[]; failed: RowFailure[] }> {
  // The published signature has this one input, and what is queued was held against it.
  const json = payload.tensors[0];
  if (json?.type !== 'string' || payload.tensors.length > 1)
    throw new InferError('RUN_FAILED', `model ${context.model} takes JSON rows`);
  const texts = decodeStrings(json.data).map((text, place) => ({ text, place }));
  const { done, failed } = await everyRow(texts, soft, async ({ text }) => {
    const value = await handler.preprocess?.(JSON.parse(text), context);
    return inputsOf(value, context.signature);
  });
  return { rows: done.map(({ row, value }) => ({ place: row, payload: value })), failed };
}

/**
 * Runs `postprocess` on every row of a model's outputs.
 * @param soft as in `preprocessRows`.
 * @returns one string tensor `json` of the rows it answered for, in order, and why each other row has none.
 */
export async function postprocessRows(
  handler: Handler,
  rows: readonly PlacedRow[],
  context: HandlerContext,
  soft?: AbortSignal,
): Promise<{ outputs: Payload; failed: RowFailure[] }> {
  const { done, failed } = await everyRow(rows, soft, async ({ payload }) =>
    answerText(await handler.postprocess?.(outputsOf(payload), context)),
  );
  const data = encodeStrings(done.map(({ value }) => value));
  const json: RowTensor = { name: JSON_TENSOR, type: 'string', shape: [], role: 'json', data };
  return { outputs: { rows: done.length, tensors: [json] }, failed };
}

/** Rows that can run together: neighbours or not, those of one `shapeKey`, with their places. */
export function groupRows(rows: readonly PlacedRow[]): { places: number[]; payload: Payload }[] {
  const groups = new Map<string, PlacedRow[]>();
  for (const row of rows) {
    const key = shapeKey(row.payload);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map((group) => ({
    places: group.map(({ place }) => place),
    payload: concatRows(group.map(({ payload }) => payload)),
  }));
}

const MESSAGE_MAX = 300;

async function everyRow<In extends { place: number }, Out>(
  rows: readonly In[],
  soft: AbortSignal | undefined,
  work: (row: In) => Promise<Out>,
): Promise<{ done: { row: number; value: Out }[]; failed: RowFailure[] }> {
  const judged = async (row: In): Promise<Out> => {
    try {
      return await work(row);
    } catch (error) {
      // A handler that heeds its signal ends with whatever error it likes: the limit is the reason.
      throw soft?.aborted ? stoppedAtSoftLimit(error) : handlerFailed(error);
    }
  };
  const settled = await Promise.allSettled(rows.map(judged));
  const done: { row: number; value: Out }[] = [];
  const failed: RowFailure[] = [];
  for (const [at, result] of settled.entries()) {
    const row = (rows[at] as In).place;
    if (result.status === 'fulfilled') done.push({ row, value: result.value });
    else failed.push({ row, error: result.reason as InferError });
  }
  return { done, failed };
}

function handlerFailed(reason: unknown): InferError {
  const message = messageOf(reason).slice(0, MESSAGE_MAX);
  return new InferError('HANDLER_FAILED', `the model's handler failed: ${message}`, { cause: reason });
}

function stoppedAtSoftLimit(cause: unknown): InferError {
  return new InferError(SOFT_TIME_LIMIT, 'its handler ended at the soft time limit', { cause });
}
