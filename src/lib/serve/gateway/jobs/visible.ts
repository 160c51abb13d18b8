import type { FastifyRequest } from 'fastify';
import type { Found } from '../../../client/types.js';
import { InferError } from '../../../core/errors.js';
import { unknownId } from '../../../queue/broker/unknown-id.js';
import type { Caller } from '../../auth/caller.js';
import type { Gateway } from '../gateway.js';

/**
 * Milliseconds for one read from Redis, in addition to any wait; and while Redis is known to be unreachable.
 */
const LOOK_MS = 5000;
const AWAY_MS = 1000;

/**
 * How long to wait for Redis: less while it is known to be unreachable, since the caller can retry.
 * @param ms [5000]
 */
export function patienceMs({ client }: Pick<Gateway, 'client'>, ms = LOOK_MS): number {
  return client.redis.status === 'ready' ? ms : Math.min(ms, AWAY_MS);
}

/** Whether a caller may see the work of an owner: its own, or everyone's with `read:all`. */
function sees({ name, allows }: Caller, owner: string | undefined): boolean {
  return name === undefined || owner === name || allows('read:all');
}

/** The only owner whose work a caller sees; undefined: it sees all. */
export function onlyOwner(caller: Caller): string | undefined {
  return caller.name === undefined || caller.allows('read:all') ? undefined : caller.name;
}

/** The state of a job or group. */
export function stateOf(found: Found): string {
  return found.kind === 'job' ? found.record.state : found.group.state;
}

/** Who submitted something. */
function ownerOf(found: Found): string | undefined {
  return found.kind === 'job' ? found.record.owner : found.group.owner;
}

/** How long what has ended took, for `Server-Timing`. */
export function timingOf(found: Found) {
  if (found.kind === 'job') return found.record.meta;
  const { submittedAt, finishedAt } = found.group;
  return finishedAt === undefined ? undefined : { totalMs: Math.max(0, finishedAt - submittedAt) };
}

/** Who asks, until when, and the memory for what is read. */
export type Asking = Pick<FastifyRequest, 'caller'> & Partial<Pick<FastifyRequest, 'signal' | 'heldResult'>>;

/** Where only the state is needed: no result is read. */
export const NO_RESULT = { mostBytes: 0 } as const;

/**
 * Reads the job or group of an id if the caller may see it. What belongs to someone else is reported as
 * unknown. Its result counts as memory of the request.
 * @param reading.mostBytes a larger result is not read
 * @throws InferError JOB_UNKNOWN (404); BODIES_FULL (503); REDIS_… (503) within 5 s.
 */
export async function lookAt(
  gateway: Gateway,
  { caller, signal, heldResult }: Asking,
  id: string,
  { mostBytes }: { mostBytes?: number } = {},
): Promise<Found> {
  const see = (owner: string | undefined): void => {
    if (!sees(caller, owner)) throw unknownId(id);
  };
  const limits = { timeoutMs: patienceMs(gateway), signal };
  return gateway.client.look(id, { ...limits, see, hold: heldResult?.take, mostBytes });
}

/**
 * The same, without its result, for a caller that wants to change it; for what is not its own it needs
 * `control`.
 * @throws InferError JOB_UNKNOWN (404), TOKEN_SCOPE (403).
 */
export async function lookToSteer(gateway: Gateway, asking: Asking, id: string): Promise<Found> {
  const { caller } = asking;
  const found = await lookAt(gateway, asking, id, NO_RESULT);
  if (caller.name === undefined || ownerOf(found) === caller.name || caller.allows('control')) return found;
  throw new InferError(
    'TOKEN_SCOPE',
    'another token submitted this: changing it requires the scope control',
    {
      hint: 'use a token with the scope control',
    },
  );
}
