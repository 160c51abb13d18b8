import { z } from 'zod';
import type { SubmitOptions } from '../../../client/types.js';
import { BOUNDS } from '../../../core/bounds.js';
import { MAX_PRIORITY } from '../../../core/job.js';
import { parseDuration, parseMoment } from '../../../core/units.js';
import { topKFrom } from '../../../model/top-k-text.js';
import { serverTime } from '../../../redis/server-clock.js';

/**
 * Milliseconds of a duration: text as on the command line, or a number of milliseconds. Text without a unit,
 * as in a query, is in seconds, as on the command line.
 */
const duration = z.union([z.string(), z.number().nonnegative()]).transform((given, context) => {
  if (typeof given === 'number') return given;
  try {
    return parseDuration(given);
  } catch {
    context.addIssue({ code: 'custom', message: 'it is not a duration: write 500ms, 30s, 5m, 1h or 7d' });
    return z.NEVER;
  }
});

const moment = z.union([z.string(), z.number().nonnegative()]).transform((given, context) => {
  if (typeof given === 'number') return given;
  try {
    return parseMoment(given);
  } catch {
    context.addIssue({ code: 'custom', message: 'it is not a time: write 2027-01-31T22:00:00Z' });
    return z.NEVER;
  }
});

/** Whole numbers, which a query writes as text; in a document `null` is a mistake, and not 0. */
const inQuery = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const inDocument = (min: number, max: number) => z.number().int().min(min).max(max);

const numbersOf = <Whole extends z.ZodType>(whole: (min: number, max: number) => Whole) => ({
  priority: whole(0, MAX_PRIORITY).optional().describe('0 to 9; 9 is the most urgent [0]'),
  retries: whole(0, 100).optional().describe('attempts after the first, for failures that may go away [2]'),
});
const NUMBERS = numbersOf(inQuery);

/** A name, `@` and a version. */
const MODEL = z.string().min(1).max(140).describe('model, or model@version [the only one there is]');
const QUEUE = z.string().min(1).max(64).describe('queue [realtime for one row, batch for many]');

/** Options of a submit; names and units are those of the flags of `infer submit`. */
export const SUBMIT_FIELDS = {
  model: MODEL.optional(),
  queue: QUEUE.optional(),
  priority: NUMBERS.priority,
  delay: duration.optional().describe('time before it may start, such as 10m or milliseconds'),
  at: moment
    .optional()
    .describe('when it may start, ISO 8601 or milliseconds since the epoch; not with delay'),
  expires: duration.optional().describe('expires if it has not started within this time after it may start'),
  resultTtl: duration.optional().describe('how long its result is kept, such as 1h; 0 keeps none'),
  retries: NUMBERS.retries,
  retryDelay: duration.optional().describe('time before the first retry; doubles each time [5s]'),
  timeLimit: duration.optional().describe('run time after which its run is killed and it fails'),
  softTimeLimit: duration
    .optional()
    .describe('run time after which it stops between two runs and keeps the rows done so far'),
};

const NAME = z.string().min(1).max(512);
const OUTPUTS =
  'names of the outputs of the result; * is all of them as the model gives them [all, or as model.json says]';
const TOP_K = 'instead of an output its k highest scores, with indexes and labels: k, or k by output';
const ARGMAX = 'instead of these outputs the index of the highest score';
const K = z.number().int().min(1).max(BOUNDS.topK.max);
const names = z.string().transform((text) => text.split(',').filter((name) => name !== ''));

/** What a result has of a model's outputs: in a query, separated by commas. */
const SELECTION_QUERY = {
  outputs: names.optional().describe(OUTPUTS),
  topK: names
    .transform((words, context) => {
      try {
        return topKFrom(words);
      } catch {
        context.addIssue({ code: 'custom', message: 'it is no number of scores: write 5, or logits=5' });
        return z.NEVER;
      }
    })
    .optional()
    .describe(TOP_K),
  argmax: names.optional().describe(ARGMAX),
};

const SELECTION_FIELDS = {
  outputs: z.array(NAME).min(1).max(1024).optional().describe(OUTPUTS),
  topK: z
    .union([K, z.record(NAME, K)])
    .optional()
    .describe(TOP_K),
  argmax: z
    .union([NAME, z.array(NAME).min(1).max(1024)])
    .optional()
    .describe(ARGMAX),
};

const OWN_ID = 'your own id: sent again with the same input, it is the same job';
const ID = z.string().min(1).max(128).describe(OWN_ID);

/** Query of a submit whose body is rows: `POST /v1/jobs?model=digits`. */
export const SUBMIT_QUERY = z.strictObject({ ...SUBMIT_FIELDS, ...SELECTION_QUERY, id: ID.optional() });

/** Query of `PUT /v1/jobs/:id`; the id is in the path. */
export const PUT_QUERY = z.strictObject({ ...SUBMIT_FIELDS, ...SELECTION_QUERY });

/** JSON document that submits a job. */
export const ENVELOPE = z
  .strictObject({
    ...SUBMIT_FIELDS,
    ...SELECTION_FIELDS,
    ...numbersOf(inDocument),
    id: ID.optional(),
    input: z
      .unknown()
      .refine((input) => input !== undefined, 'it is missing')
      .describe('one row or a list of rows: numbers, named inputs, or an Open Inference Protocol request'),
  })
  .describe('a job');

/** Query of `POST /predict`. */
export const PREDICT_QUERY = z.strictObject({
  model: MODEL.optional(),
  queue: QUEUE.optional(),
  priority: NUMBERS.priority,
});

export const ID_PARAMS = z.strictObject({ id: z.string().max(512).describe('id of a job or a group') });

/** `?wait=10s`, when reading. */
export const WAIT_QUERY = z.strictObject({
  wait: duration.optional().describe('respond when its state changes, or after this time'),
});

export type SubmitFields = z.output<z.ZodObject<typeof SUBMIT_FIELDS>> &
  Pick<SubmitOptions, 'outputs' | 'topK' | 'argmax'> & { id?: string | undefined };

/** Options of a submit for the client. */
export function submitOptions(fields: SubmitFields, owner: string | undefined): SubmitOptions {
  const { model, queue, priority, id, delay, at, expires, resultTtl, retries } = fields;
  const { retryDelay, timeLimit, softTimeLimit, outputs, topK, argmax } = fields;
  return {
    model,
    queue,
    priority,
    id,
    owner,
    delayMs: delay,
    // A time in the past means now.
    startAt: at === undefined ? undefined : Math.max(at, serverTime()),
    expiresMs: expires,
    resultTtl: resultTtl === undefined ? undefined : Math.ceil(resultTtl / 1000),
    retries,
    retryDelayMs: retryDelay,
    timeLimitMs: timeLimit,
    softTimeLimitMs: softTimeLimit,
    outputs,
    topK,
    argmax,
  };
}
