import type { FailureRecord } from '../core/errors.js';
import { decodeEnvelope } from '../model/envelope.js';
import { rowValues } from '../model/rows.js';
import type { JobRecord, PartialMeta, ResultMeta } from '../queue/broker.js';
import type { JobResult } from './types.js';

/** What is known of an ended job, from its record or from the notice of its end. */
export type Ending = Pick<JobRecord, 'id' | 'queue' | 'model' | 'state' | 'rows'> & {
  attempts: number;
  failure?: FailureRecord | undefined;
  runAt?: number | undefined;
  meta?: ResultMeta | undefined;
};

/** A job and its stored result as the documented `JobResult`. */
export function toJobResult(ending: Ending, stored: Buffer | undefined): JobResult {
  const { meta, failure } = ending;
  const rowsDone =
    ending.state === 'failed' && stored !== undefined ? decodeEnvelope(stored).payload.rows : 0;
  const values = stored === undefined ? undefined : resultValues(stored, meta?.device, failure);
  return {
    id: ending.id,
    queue: ending.queue,
    model: ending.model,
    state: ending.state,
    ...(values === undefined
      ? {}
      : { result: values.length === 1 && ending.rows === 1 ? values[0] : values }),
    ...(rowsDone === 0 ? {} : { rowsDone }),
    ...(failure === undefined || ending.state === 'completed' ? {} : { error: failure }),
    ...(ending.runAt === undefined ? {} : { nextRunAt: ending.runAt }),
    attempts: meta?.attempts ?? ending.attempts,
    worker: meta?.worker ?? null,
    device: meta?.device ?? null,
    timing: meta === undefined ? null : { queueMs: meta.queueMs, runMs: meta.runMs, totalMs: meta.totalMs },
  };
}

/**
 * Row values of a stored result; a classification row also says which device decided. Of a partial
 * result: every row of the job, those without an output as `{error}`.
 */
export function resultValues(
  stored: Buffer,
  device: string | undefined,
  failure?: FailureRecord | undefined,
): unknown[] {
  const { payload, meta } = decodeEnvelope(stored);
  const classes = payload.tensors.some((tensor) => tensor.name === 'class');
  const values = rowValues(payload);
  if (classes && device !== undefined) {
    for (const value of values) (value as Record<string, unknown>).device = device;
  }
  if (meta.done === undefined) return values;
  const { of, done, errors, causes = [] } = meta as unknown as PartialMeta;
  const why = (row: number) => {
    const error = errors[row];
    return (typeof error === 'number' ? causes[error] : error) ?? failure;
  };
  const all: unknown[] = Array.from({ length: of }, (_, row) => ({ error: why(row) }));
  let next = 0;
  for (const [from, to] of done) for (let row = from; row < to; row++) all[row] = values[next++];
  return all;
}
