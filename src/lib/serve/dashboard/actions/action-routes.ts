import { hostname } from 'node:os';
import type { FastifyRequest } from 'fastify';
import { messageOf } from '../../../core/errors.js';
import { serverNow } from '../../../redis/server-clock.js';
import { worded } from '../../../redis/worded.js';
import type { Gateway } from '../../gateway/gateway.js';
import { patiently } from '../../gateway/jobs/patience.js';
import type { App } from '../../http/app.js';
import { readJson } from '../../http/body.js';
import type { ActionPreview, ActionState } from '../shapes.js';
import { ACTION, ACTION_REQUEST } from './action-schema.js';
import { planAction } from './planned.js';
import { ActionRate } from './rate.js';
import type { RunningActions } from './running-actions.js';
import { Tickets } from './tickets.js';

const MOST_BODY = 16_384;
/** A caller is told of the end of an action if it comes within this time, ms; the stream tells of the rest. */
const WAIT_MS = 5000;

/**
 * Actions: shown first, then done exactly as they were shown. They exist only with `gateway.control`, and each
 * request needs a token with the scope `control`.
 */
export function addActionRoutes(app: App, gateway: Gateway, at: string, running: RunningActions): void {
  const { client, prefix, log } = gateway;
  const route = { config: { access: 'control' as const }, schema: { hide: true } };
  const tickets = new Tickets();
  const rate = new ActionRate();
  const contextOf = (request: FastifyRequest) => ({
    client: client.redis,
    prefix,
    actor: { who: whoOf(request), host: hostname(), channel: 'http' as const },
  });
  app.post(`${at}/api/actions/preview`, route, async (request): Promise<ActionPreview> => {
    const action = await readJson(request, ACTION, { maxBytes: MOST_BODY });
    const who = whoOf(request);
    rate.take(who);
    const { signal } = request;
    const look = async () => {
      const asOf = await worded(client.redis, serverNow(client.redis));
      return planAction(action, { ...contextOf(request), signal }, asOf);
    };
    const planned = await patiently(gateway, signal, look());
    const { text, count, bound, destructive, typeToConfirm } = planned;
    const ticket = tickets.issue({ action, planned, who });
    return { action, text, count, bound, destructive, typeToConfirm, ticket };
  });
  app.post(`${at}/api/actions`, route, async (request, reply): Promise<ActionState> => {
    const asked = await readJson(request, ACTION_REQUEST, { maxBytes: MOST_BODY });
    const who = whoOf(request);
    rate.take(who);
    const state = await running.begin(
      {
        ticket: () => tickets.take(asked.ticket, asked.action, who),
        context: contextOf(request),
        onUnaudited: (error) =>
          log.warn(
            { action: asked.action.action, err: messageOf(error) },
            'the audit log has no entry of this',
          ),
      },
      WAIT_MS,
    );
    if (state.state === 'running') reply.code(202);
    return state;
  });
  app.get(`${at}/api/actions/:id`, route, async ({ params }) => running.find((params as { id: string }).id));
  // Not counted: who has asked for much must be able to stop it.
  app.post(`${at}/api/actions/:id/stop`, route, async ({ params }) =>
    running.stop((params as { id: string }).id),
  );
}

/** The name of its token: there is one, since actions need tokens. */
function whoOf({ caller }: FastifyRequest): string {
  return caller.name ?? '';
}
