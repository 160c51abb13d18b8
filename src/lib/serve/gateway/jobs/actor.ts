import { hostname } from 'node:os';
import type { FastifyRequest } from 'fastify';
import { messageOf } from '../../../core/errors.js';
import { systemUser } from '../../../core/system-user.js';
import type { Operation, OperationContext } from '../../../operations/operation.js';
import { perform } from '../../../operations/run.js';
import type { Gateway } from '../gateway.js';
import { patiently } from './patience.js';

/** Milliseconds for an operation, which may process many jobs or wait for workers. */
const OPERATION_MS = 60_000;

/**
 * Performs an operation for a caller, with an entry in the audit log under the name of its token. The request
 * itself is the consent.
 */
export async function performFor<Plan, Outcome, Preview>(
  gateway: Gateway,
  request: FastifyRequest,
  operation: Operation<Plan, Outcome, Preview>,
  mostMs = OPERATION_MS,
): Promise<Outcome> {
  const { client, prefix, loaded, log } = gateway;
  const { caller, signal } = request;
  const who = caller.name ?? loaded.values.operator ?? systemUser();
  const actor = { who, host: hostname(), channel: 'http' as const };
  const context: OperationContext = { client: client.redis, prefix, signal, actor };
  const performed = perform(operation, context, {
    consent: async () => undefined,
    onUnaudited: (error) =>
      log.warn({ action: operation.action, err: messageOf(error) }, 'the audit log has no entry of this'),
  });
  return patiently(gateway, signal, performed, mostMs);
}
