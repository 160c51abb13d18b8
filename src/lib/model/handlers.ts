import { setImmediate as nextTurn } from 'node:timers/promises';
import { InferError, messageOf } from '../core/errors.js';
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

/** What a handler's functions receive in addition to the row. */
export interface HandlerContext {
  /** Name of the model. */
  model: string;
  /** The model's own inputs and outputs, before the handler. */
  signature: ModelSignature;
  /** Aborted at the soft time limit of the jobs in the run, and when the runner is told to stop. */
  signal: AbortSignal;
}

/**
 * The module named by a manifest's `handler`; both functions are optional, sync or async. What they return is
 * copied before the next row's call, so a function may refill one buffer. A function that awaits between
 * filling a buffer and returning it needs a buffer per call, because other rows run meanwhile.
 */
export interface Handler {
  /** One JSON row to `{input: number[] | nested arrays | typed array | {shape, data}}`. */
  preprocess?(row: unknown, context: HandlerContext): unknown;
  /** One row of the model's outputs to a JSON value. */
  postprocess?(outputs: Record<string, HandlerOutput>, context: HandlerContext): unknown;
}

/**
 * Loads a handler module, reloading its own files each time; packages are kept. @throws InferError
 * HANDLER_LOAD (exit 78).
 */
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

/** The single string tensor that represents JSON rows in a published signature. */
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

/** One row of a run, at any position. */
export interface PlacedRow {
  /** From 0, within the run. */
  place: number;
  payload: Payload;
}

/**
 * Runs `preprocess` on every row; rows that wait for I/O do so concurrently.
 * @param soft aborted at the soft time limit: any failure from then on has that reason.
 * @returns the rows for which it returned inputs, in order, and HANDLER_FAILED or SOFT_TIME_LIMIT for each
 *   other row.
 */
export async function preprocessRows(
  handler: Handler,
  payload: Payload,
  context: HandlerContext,
  soft?: AbortSignal,
): Promise<{ rows: PlacedRow[]; failed: RowFailure[] }> {
  // The published signature has this one input, and queued inputs were checked against it.
  const json = payload.tensors[0];
  if (json?.type !== 'string' || payload.tensors.length > 1)
    throw new InferError('RUN_FAILED', `model ${context.model} takes JSON rows`);
  const texts = decodeStrings(json.data).map((text, place) => ({ text, place }));
  const { done, failed } = await everyRow(texts, soft, {
    call: ({ text }) => handler.preprocess?.(JSON.parse(text), context),
    take: (value) => inputsOf(value, context.signature),
  });
  return { rows: done.map(({ row, value }) => ({ place: row, payload: value })), failed };
}

/**
 * Runs `postprocess` on every row of a model's outputs.
 * @param soft as in `preprocessRows`.
 * @returns one string tensor `json` of the answered rows, in order, and why each other row has none.
 */
export async function postprocessRows(
  handler: Handler,
  rows: readonly PlacedRow[],
  context: HandlerContext,
  soft?: AbortSignal,
): Promise<{ outputs: Payload; failed: RowFailure[] }> {
  const { done, failed } = await everyRow(rows, soft, {
    call: ({ payload }) => handler.postprocess?.(outputsOf(payload), context),
    take: answerText,
  });
  const data = encodeStrings(done.map(({ value }) => value));
  const json: RowTensor = { name: JSON_TENSOR, type: 'string', shape: [], role: 'json', data };
  return { outputs: { rows: done.length, tensors: [json] }, failed };
}

/** Rows that can run together: those with the same `shapeKey`, adjacent or not, with their positions. */
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

/** The steps for one row. */
interface RowWork<In, Out> {
  /** The handler's function. */
  call(row: In): unknown;
  /** A copy of its answer, in the form used from here on. */
  take(answer: unknown): Out;
}

/**
 * The handler may return the same buffer for every row. So an answer is copied in the same tick, and an async
 * function that awaits nothing has the event loop to itself until its answer is there.
 */
async function everyRow<In extends { place: number }, Out>(
  rows: readonly In[],
  soft: AbortSignal | undefined,
  { call, take }: RowWork<In, Out>,
): Promise<{ done: { row: number; value: Out }[]; failed: RowFailure[] }> {
  const judged = (error: unknown): InferError =>
    // A handler that heeds its signal may end with any error: the limit is the reason.
    soft?.aborted ? stoppedAtSoftLimit(error) : handlerFailed(error);
  const ended: (Ended<Out> | Promise<Ended<Out>>)[] = [];
  for (const row of rows) {
    try {
      const answer = call(row);
      if (!isThenable(answer)) {
        ended.push({ value: take(answer) });
        continue;
      }
      const later = Promise.resolve(answer).then(
        (value) => taken(value, take, judged),
        (error: unknown) => ({ error: judged(error) }),
      );
      ended.push(later);
      await Promise.race([later, nextTurn()]);
    } catch (error) {
      ended.push({ error: judged(error) });
    }
  }
  const done: { row: number; value: Out }[] = [];
  const failed: RowFailure[] = [];
  for (const [at, result] of (await Promise.all(ended)).entries()) {
    const row = (rows[at] as In).place;
    if ('error' in result) failed.push({ row, error: result.error });
    else done.push({ row, value: result.value });
  }
  return { done, failed };
}

type Ended<Out> = { value: Out } | { error: InferError };

function taken<Out>(
  answer: unknown,
  take: (answer: unknown) => Out,
  judged: (error: unknown) => InferError,
): Ended<Out> {
  try {
    return { value: take(answer) };
  } catch (error) {
    return { error: judged(error) };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function handlerFailed(reason: unknown): InferError {
  const message = messageOf(reason).slice(0, MESSAGE_MAX);
  return new InferError('HANDLER_FAILED', `the model's handler failed: ${message}`, { cause: reason });
}

function stoppedAtSoftLimit(cause: unknown): InferError {
  return new InferError('SOFT_TIME_LIMIT', 'its handler ended at the soft time limit', { cause });
}
