import type { FailureRecord } from '../core/errors.js';
import { decodeEnvelope } from '../model/envelope.js';
import { RowText, rowTexts } from '../model/row-text.js';
import { rowValues, type ValueForm } from '../model/rows.js';
import type { Task } from '../model/signature.js';
import { type Payload, splitRows } from '../model/tensor.js';
import { unreadableResult } from '../queue/damage.js';
import { modelJson } from '../queue/job-record.js';
import type { JobRecord, PartialMeta, ResultMeta } from '../queue/types.js';
import type { HoldResult, JobResult, JobTensors } from './types.js';

/** Facts about an ended job, from its record or its end notice. */
export type Ending = Pick<JobRecord, 'id' | 'queue' | 'model' | 'state' | 'rows'> & {
  attempts: number;
  failure?: FailureRecord | undefined;
  runAt?: number | undefined;
  meta?: ResultMeta | undefined;
  owner?: string | undefined;
  version?: number | undefined;
};

/** Makes an answer of a job and its stored result. */
export type Render<T> = (ending: Ending, stored: Buffer | undefined) => T;

/** How the end of a job is read. */
export interface Reading<T> {
  render: Render<T>;
  hold?: HoldResult | undefined;
}

/** A job and its stored result in the documented form `JobResult`. */
export function toJobResult(ending: Ending, stored: Buffer | undefined, form: ValueForm): JobResult {
  const { meta, failure } = ending;
  const rowsDone =
    ending.state === 'failed' && stored !== undefined
      ? decodeEnvelope(stored, unreadableResult).payload.rows
      : 0;
  const result = stored === undefined ? undefined : resultValues(stored, meta?.device, failure, form);
  return jobFields(ending, rowsDone, result === undefined ? {} : valueFields(result, ending.rows));
}

/** The same with the result as tensors, which share memory with `stored`. */
export function toJobTensors(ending: Ending, stored: Buffer | undefined): JobTensors {
  const outputs = stored === undefined ? undefined : decodeEnvelope(stored, unreadableResult).payload;
  const rowsDone = ending.state === 'failed' ? (outputs?.rows ?? 0) : 0;
  const version = ending.meta?.version;
  return jobFields(ending, rowsDone, {
    ...(outputs === undefined ? {} : { outputs }),
    ...(version === undefined ? {} : { version }),
  });
}

function jobFields<Outcome extends object>(ending: Ending, rowsDone: number, outcome: Outcome) {
  const { meta, failure } = ending;
  return {
    id: ending.id,
    queue: ending.queue,
    model: modelJson(ending),
    state: ending.state,
    rows: ending.rows,
    ...outcome,
    ...(rowsDone === 0 ? {} : { rowsDone }),
    ...(failure === undefined || ending.state === 'completed' ? {} : { error: failure }),
    ...(ending.runAt === undefined ? {} : { nextRunAt: ending.runAt }),
    attempts: meta?.attempts ?? ending.attempts,
    worker: meta?.worker ?? null,
    device: meta?.device ?? null,
    timing: meta === undefined ? null : { queueMs: meta.queueMs, runMs: meta.runMs, totalMs: meta.totalMs },
    ...(ending.owner === undefined ? {} : { owner: ending.owner }),
  };
}

function valueFields({ values, task, failedRows }: ResultValues, rows: number): Partial<JobResult> {
  const result = values.length === 1 && rows === 1 ? values[0] : values;
  return { result, task, ...(failedRows.length === 0 ? {} : { failedRows }) };
}

/** How the values of rows are given. */
export type RowForm = ValueForm | 'text' | 'payload';

export interface ResultValues {
  values: unknown[];
  /** The kind of the values: never guessed from the names in them, which models and handlers choose. */
  task: Task;
  /** Indexes in `values`, from 0, of the rows without an output. */
  failedRows: number[];
}

/**
 * Row values of a stored result; a classification row also names the deciding device. For a partial result:
 * every row of the job, those without an output as `{error}`.
 * @param form `text`: the values are `RowText`, which is the cheapest for a reader that writes JSON; `payload`:
 *   each is a `Payload` of one row
 */
export function resultValues(
  stored: Buffer,
  device: string | undefined,
  failure: FailureRecord | undefined,
  form: RowForm,
): ResultValues {
  const { payload, task, partial } = openResult(stored);
  const own = task === 'classification' ? device : undefined;
  const values = valuesIn(payload, form, own);
  if (partial === undefined) return { values, task, failedRows: [] };
  const { of, done } = partial;
  const all: unknown[] = Array.from({ length: of }, (_, row) => ({
    error: failureOfRow(partial, row) ?? failure,
  }));
  let next = 0;
  const failed = new Set(all.keys());
  for (const [from, to] of done) {
    for (let row = from; row < to; row++) {
      all[row] = values[next++];
      failed.delete(row);
    }
  }
  return { values: all, task, failedRows: [...failed] };
}

function valuesIn(payload: Payload, form: RowForm, device: string | undefined): unknown[] {
  if (form === 'text') return textValues(payload, device);
  if (form === 'payload') return splitRows(payload, new Array<number>(payload.rows).fill(1));
  return plainValues(payload, form, device);
}

function plainValues(payload: Payload, form: ValueForm, device: string | undefined): unknown[] {
  const values = rowValues(payload, form);
  if (device !== undefined) for (const value of values) (value as Record<string, unknown>).device = device;
  return values;
}

function textValues(payload: Payload, device: string | undefined): RowText[] {
  const texts = rowTexts(payload);
  if (device === undefined) return texts.map((text) => new RowText(text));
  return texts.map((text) => new RowText(withDevice(text, device)));
}

/** The JSON of a classification row, or its end, with the device that decided. */
export function withDevice(text: string, device: string): string {
  return `${text.slice(0, -1)},"device":${JSON.stringify(device)}}`;
}

/** A stored result, and the facts about it without its values. */
export interface OpenResult {
  payload: Payload;
  task: Task;
  /** The rows that it has, if it does not have all. */
  partial: PartialMeta | undefined;
}

/** @throws InferError JOB_DAMAGED if it cannot be read. */
export function openResult(stored: Buffer): OpenResult {
  const { payload, meta } = decodeEnvelope(stored, unreadableResult);
  const roles = payload.tensors.map((tensor) => tensor.role);
  const task = roles.includes('json') ? 'handler' : roles.includes('class') ? 'classification' : 'tensor';
  return { payload, task, partial: meta.done === undefined ? undefined : (meta as unknown as PartialMeta) };
}

/** Why a row of a partial result has no output; undefined where that was not kept. */
export function failureOfRow({ errors, causes = [] }: PartialMeta, row: number): FailureRecord | undefined {
  const error = errors[row];
  return typeof error === 'number' ? causes[error] : error;
}
