import { isEnded } from '../../../client/ended.js';
import type { Found } from '../../../client/types.js';
import type { Sight } from '../../../client/watcher.js';
import type { Caller } from '../../auth/caller.js';
import type { App } from '../../http/app.js';
import type { Gateway } from '../gateway.js';
import { END_ID, type EventStream, EventStreams } from './event-stream.js';
import { ID_PARAMS } from './fields.js';
import { EVENTS_DOC } from './job-docs.js';
import { foundJson, placedJson, placeOf } from './job-json.js';
import { PlaceReadings, PlaceTeller } from './place-teller.js';
import { lookAt, stateOf } from './visible.js';

/** A larger result is not in the last event, which has its address instead. */
const SMALL_RESULT = { mostBytes: 65_536 };

/** `GET /v1/jobs/:id/events`: server-sent events until the job or group has ended. */
export function addEventRoutes(app: App, gateway: Gateway): void {
  const streams = new EventStreams(gateway.draining);
  const places = new PlaceReadings((id) => placeOf(gateway, id));
  app.get(
    '/v1/jobs/:id/events',
    {
      config: { access: 'read', doc: EVENTS_DOC, endless: true },
      exposeHeadRoute: false,
      schema: { params: ID_PARAMS },
    },
    async (request, reply) => {
      const { caller } = request;
      // The client has received the end already, and stops reconnecting.
      if (request.headers['last-event-id'] === END_ID) return reply.code(204).send();
      const found = await lookAt(gateway, request, request.params.id, SMALL_RESULT);
      let stop = (): void => undefined;
      // An ended job gets a single event, so it is not an open wait.
      const giveBack = isEnded(stateOf(found)) ? () => undefined : gateway.waits.take(caller);
      const onClosed = () => {
        stop();
        giveBack();
      };
      const stream = streams.add(onClosed, request.holds);
      try {
        if (isEnded(stateOf(found))) {
          end(gateway, stream, found);
        } else {
          stream.tell('state', await placedJson(gateway, found, { result: false }));
          stop = follow(gateway, { caller, places }, found, stream);
          if (stream.destroyed) stop();
        }
      } catch (error) {
        // It would stay open, and send heartbeats, without a reader.
        stream.destroy();
        throw error;
      }
      // The connection is not reused after a stream: it would delay the shutdown of a server.
      reply.header('x-accel-buffering', 'no').header('connection', 'close').type('text/event-stream');
      return reply.send(stream);
    },
  );
}

function end(gateway: Gateway, stream: EventStream, found: Found): void {
  stream.tell('end', foundJson(gateway, found, { result: true }));
  stream.finish();
}

/** Sends changes to a stream; one reader in the client serves all streams. @returns stops it */
function follow(
  gateway: Gateway,
  { caller, places }: { caller: Caller; places: PlaceReadings },
  found: Found,
  stream: EventStream,
): () => void {
  const { id, queue } = found.kind === 'job' ? found.record : found.group;
  const told = {
    state: stateOf(found),
    attempts: found.kind === 'job' ? found.record.attempts : 0,
    rows: '',
  };
  const teller = new PlaceTeller({
    read: (ahead) => places.get(id, ahead),
    tell: (place) => stream.tell('position', { id, ...place }),
    get destroyed() {
      return stream.destroyed;
    },
  });
  /** Sends changes in order, although the whole job has to be read first. */
  let turn: Promise<void> = Promise.resolve();
  const read = (state: string) => {
    turn = turn.then(async () => {
      try {
        const now = await lookAt(gateway, { caller }, id, SMALL_RESULT);
        if (isEnded(stateOf(now))) end(gateway, stream, now);
        else stream.tell('state', await placedJson(gateway, now, { result: false }));
      } catch {
        // If the job was deleted, or Redis cannot be read now, only the state is known.
        if (!isEnded(state) && state !== 'gone') {
          // Retried with the next reading.
          told.state = '';
          return;
        }
        stream.tell('end', { id, state });
        stream.finish();
      }
    });
  };
  return gateway.client.watcher.watch({ id, queue, kind: found.kind }, (sight) => {
    const state = stateIn(sight);
    const attempts = sight.kind === 'job' && sight.state !== 'waiting' ? sight.attempts : told.attempts;
    if (state !== told.state || attempts !== told.attempts) read(state);
    told.state = state;
    told.attempts = attempts;
    if (sight.kind === 'job' && sight.ahead !== undefined) teller.see(sight.ahead);
    if (sight.kind === 'group') tellProgress(stream, told, sight);
  });
}

function stateIn(sight: Sight): string {
  return sight.kind === 'job' ? sight.state : sight.kind === 'group' ? sight.group.state : 'gone';
}

function tellProgress(
  stream: EventStream,
  told: { rows: string },
  { group }: Sight & { kind: 'group' },
): void {
  const { id, rows, rowsDone, jobs, jobsCompleted, jobsFailed } = group;
  const progress = { id, rows, rowsDone, jobs, jobsCompleted, jobsFailed };
  const text = JSON.stringify(progress);
  if (text !== told.rows) stream.tell('progress', progress);
  told.rows = text;
}
