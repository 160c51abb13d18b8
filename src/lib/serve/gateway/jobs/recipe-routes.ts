import { Readable } from 'node:stream';
import type { z } from 'zod';
import { InferError } from '../../../core/errors.js';
import type { GroupRecord, JobRecord } from '../../../queue/types.js';
import { type App, type ErrorForm, problemForm } from '../../http/app.js';
import { tellTiming } from '../../http/server-timing.js';
import type { Gateway } from '../gateway.js';
import { ID_PARAMS } from './fields.js';
import { beginGroup, jsonListOf } from './group-form.js';
import { RECIPE_ANSWER, RECIPE_DOC } from './job-docs.js';
import { bodyOf, shownResult } from './large-result.js';
import { lookAt, timingOf } from './visible.js';

/** An unknown id has a status, too: Celery says PENDING of it. */
const recipeForm: ErrorForm = (error, path, basePath) => {
  if (error.facts.httpStatus !== 404) return problemForm(error, path, basePath);
  const { message, code } = error;
  return { contentType: 'application/json', body: { status: 'UNKNOWN', error: message, code } };
};

/** `GET /result/:id` as in the recipe of FastAPI and Celery. */
export function addRecipeRoutes(app: App, gateway: Gateway): void {
  app.get(
    '/result/:id',
    {
      config: { access: 'read', errorForm: recipeForm, doc: RECIPE_DOC, endless: true },
      exposeHeadRoute: false,
      schema: { params: ID_PARAMS, response: { 200: RECIPE_ANSWER, 404: RECIPE_ANSWER } },
    },
    async (request, reply) => {
      const found = await lookAt(gateway, request, request.params.id);
      tellTiming(reply, timingOf(found));
      if (found.kind === 'job') {
        const { record, stored } = found;
        const status = wordOf(record);
        if (status === 'FAILURE') return { status, error: record.failure?.message ?? 'it failed' };
        if (status !== 'completed') return { status };
        if (stored === undefined && record.resultTtl !== 0) throw expired();
        const { result = null } = shownResult(record, stored);
        return reply.type('application/json').send(bodyOf({ status, result }) as never);
      }
      const { group } = found;
      const status = groupWordOf(group);
      if (status === 'FAILURE')
        return { status, error: `${group.rows - group.rowsDone} of ${group.rows} rows failed` };
      if (status !== 'completed') return { status };
      const rows = await beginGroup(gateway.client, group, request);
      const text = jsonListOf(rows, '{"status":"completed","result":', '}');
      return reply
        .type('application/json')
        .send(Readable.from(text, { objectMode: false, encoding: 'utf8' }) as never);
    },
  );
}

function wordOf({ state, failure, attempts }: JobRecord): z.output<typeof RECIPE_ANSWER>['status'] {
  if (state === 'completed') return 'completed';
  if (state === 'active') return 'STARTED';
  if (state === 'failed') return 'FAILURE';
  if (state === 'delayed' && (failure !== undefined || attempts > 0)) return 'RETRY';
  return state === 'expired' || state === 'cancelled' ? 'REVOKED' : 'PENDING';
}

function groupWordOf({ state }: GroupRecord): z.output<typeof RECIPE_ANSWER>['status'] {
  if (state === 'completed') return 'completed';
  if (state === 'active') return 'STARTED';
  if (state === 'failed') return 'FAILURE';
  return state === 'cancelled' || state === 'expired' ? 'REVOKED' : 'PENDING';
}

function expired(): InferError {
  return new InferError('RESULT_EXPIRED', 'its result was not kept or has expired');
}
