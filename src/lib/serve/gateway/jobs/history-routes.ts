import { z } from 'zod';
import { DURATION_MAX_MS } from '../../../core/bounds.js';
import { InferError } from '../../../core/errors.js';
import { printable } from '../../../core/printable.js';
import { parseDuration } from '../../../core/units.js';
import { DeploymentReader } from '../../../deployment/deployment-reader.js';
import { isAfter, isEventCursor, isEventKind } from '../../../queue/events/read-events.js';
import {
  type DeploymentEvent,
  EVENT_KINDS,
  type EventKind,
  type EventQuery,
} from '../../../queue/events/types.js';
import { HISTORY_RANGES } from '../../../queue/history/types.js';
import { serverNow } from '../../../redis/server-clock.js';
import type { App } from '../../http/app.js';
import { EventTail } from '../event-tail.js';
import type { Gateway } from '../gateway.js';
import { acceptedForm } from './accept.js';
import { type EventStream, EventStreams } from './event-stream.js';
import { DEPLOYMENT_EVENTS_DOC, HISTORY_DOC } from './history-docs.js';
import { several, WORDS } from './list-routes.js';
import { patiently } from './patience.js';
import { onlyOwner } from './visible.js';

const HISTORY_QUERY = z.strictObject({
  queue: WORDS.describe('of these queues'),
  model: WORDS.describe('of these models'),
  worker: WORDS.describe('of the workers with these names'),
  by: z.enum(['queue', 'model', 'worker']).optional().describe('one series for each, 50 at most'),
  range: z.enum(HISTORY_RANGES).default('1h').describe('how far back [1h]'),
  step: z.string().optional().describe('time of one point, such as 5m [1m, 5m for 24h, 1h for 14d]'),
});

const EVENTS_QUERY = z.strictObject({
  kind: WORDS.describe(`only these kinds: ${Object.keys(EVENT_KINDS).join(', ')}`),
  since: z.string().optional().describe('only events of the last 1h, 7d, …'),
  after: z.string().optional().describe('cursor of an earlier answer: only what came after it'),
  limit: z.coerce.number().int().min(0).max(1000).default(100).describe('maximum number of events [100]'),
});

/** Events read together. */
const AT_ONCE = 500;
const JSON_FORM = 'application/json';
const STREAM_FORM = 'text/event-stream';

/** What happened in the deployment, as `infer inspect history` and `infer events` show it. */
export function addHistoryRoutes(app: App, gateway: Gateway): void {
  const { client, prefix } = gateway;
  const reader = DeploymentReader.over(client.redis, client.target, prefix);
  app.get(
    '/v1/history',
    { config: { access: 'read', doc: HISTORY_DOC }, schema: { querystring: HISTORY_QUERY } },
    async (request) => {
      const { queue, model, worker, by, range, step } = request.query;
      const wanted = {
        ...{ queues: several(queue), models: several(model), workers: several(worker), by, range },
        stepMs: step === undefined ? undefined : parseDuration(step, DURATION_MAX_MS),
      };
      return { history: await patiently(gateway, request.signal, reader.history(wanted)) };
    },
  );

  const tail = new EventTail(client.redis, prefix);
  const streams = new EventStreams(gateway.draining);
  app.get(
    '/v1/events',
    {
      config: { access: 'read', doc: DEPLOYMENT_EVENTS_DOC, endless: true },
      exposeHeadRoute: false,
      schema: { querystring: EVENTS_QUERY },
    },
    async (request, reply) => {
      const form = acceptedForm(request.headers.accept, [JSON_FORM, STREAM_FORM]);
      const { kind, since, after, limit } = request.query;
      const kinds = kindsFor(several(kind), onlyOwner(request.caller) === undefined);
      const last = request.headers['last-event-id'];
      const heard = form === STREAM_FORM && typeof last === 'string' && isEventCursor(last) ? last : after;
      if (heard !== undefined && !isEventCursor(heard)) throw badCursor();
      const ago = since === undefined ? undefined : parseDuration(since, DURATION_MAX_MS);
      const read = async (cursor: string | undefined, most: number) => {
        const from = ago === undefined ? undefined : (await serverNow(client.redis)) - ago;
        const query = { kinds, after: cursor, limit: most, since: from } satisfies EventQuery;
        return patiently(gateway, request.signal, reader.events(query));
      };
      if (form === JSON_FORM) return read(heard, limit);

      let stop = (): void => undefined;
      const stream = streams.add(() => stop(), request.holds);
      try {
        // Events that come while the past is read are told after it, unless they are a part of it.
        let early: { events: readonly DeploymentEvent[]; cursor: string }[] | undefined = [];
        const wanted = (events: readonly DeploymentEvent[]) =>
          events.filter((one) => kinds?.includes(one.kind) ?? true);
        const listening = tail.listen((events, cursor) => {
          if (early === undefined) tellAll(stream, wanted(events), cursor);
          else early.push({ events, cursor });
        });
        // Also if it is too late for this caller.
        void listening
          .then((end) => {
            stop = end;
            if (stream.destroyed) end();
          })
          .catch(() => undefined);
        await patiently(gateway, request.signal, listening);
        let past = await read(heard, heard === undefined ? limit : AT_ONCE);
        tellAll(stream, past.events, past.cursor);
        while (heard !== undefined && past.events.length === AT_ONCE && !stream.destroyed) {
          past = await read(past.cursor, AT_ONCE);
          tellAll(stream, past.events, past.cursor);
        }
        for (const { events, cursor } of early) {
          tellAll(stream, wanted(events.filter((one) => isAfter(one, past.cursor))), cursor);
        }
        early = undefined;
      } catch (error) {
        stream.destroy();
        throw error;
      }
      reply.header('x-accel-buffering', 'no').header('connection', 'close').type(STREAM_FORM);
      return reply.send(stream);
    },
  );
}

/** The last one has the cursor: a caller that was interrupted before it gets them all again. */
function tellAll(stream: EventStream, events: readonly DeploymentEvent[], cursor: string): void {
  for (const [i, event] of events.entries()) {
    stream.tellEach(event.kind, i === events.length - 1 ? cursor : undefined, event);
  }
}

/**
 * Changes name jobs of others, so they are for callers who may see those.
 * @throws InferError FILTER for a word that is no kind.
 */
function kindsFor(given: readonly string[] | undefined, all: boolean): EventKind[] | undefined {
  if (given === undefined && all) return undefined;
  const kinds = (given ?? Object.keys(EVENT_KINDS)).map((word) => {
    if (isEventKind(word)) return word;
    throw new InferError('FILTER', `no event is of the kind '${printable(word)}'`, {
      hint: `kinds: ${Object.keys(EVENT_KINDS).join(', ')}`,
    });
  });
  return kinds.filter((kind) => all || kind !== 'change');
}

function badCursor(): InferError {
  return new InferError('CURSOR', 'this is no cursor of events', {
    hint: 'pass the cursor of an earlier answer, or leave it out',
  });
}
