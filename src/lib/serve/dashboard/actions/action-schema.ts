import { z } from 'zod';
import { MAX_PRIORITY } from '../../../core/job.js';
import { PURGE_STATES } from '../../../operations/purge-queue.js';
import type { Action } from '../shapes.js';

const NAME = z.string().min(1).max(512);
const TEXT = z.string().max(1000).optional();

const FILTER = z
  .strictObject({
    state: TEXT,
    queue: TEXT,
    model: TEXT,
    worker: TEXT,
    priority: TEXT,
    olderThan: TEXT,
    error: TEXT,
  })
  .describe('jobs that match all that is given');

/** What the page may ask for. */
export const ACTION = z.union([
  z.strictObject({ action: z.enum(['pause', 'resume']), queue: NAME }),
  z.strictObject({ action: z.literal('purge'), queue: NAME, states: z.array(z.enum(PURGE_STATES)).min(1) }),
  z.strictObject({ action: z.enum(['drain', 'restart']), worker: NAME }),
  z.strictObject({ action: z.literal('concurrency'), worker: NAME, value: z.number().int() }),
  z.strictObject({ action: z.enum(['load', 'unload']), worker: NAME, model: NAME }),
  z.strictObject({ action: z.enum(['retry', 'cancel']), id: NAME }),
  z.strictObject({ action: z.enum(['retry', 'cancel']), filter: FILTER }),
  z.strictObject({
    action: z.literal('priority'),
    id: NAME,
    priority: z.number().int().min(0).max(MAX_PRIORITY),
  }),
]) satisfies z.ZodType<Action>;

export const ACTION_REQUEST = z.strictObject({ action: ACTION, ticket: z.string().max(100) });
