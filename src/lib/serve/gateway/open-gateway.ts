import { BodyMemory } from '../http/body-memory.js';
import { openAdmissions } from './admissions.js';
import type { Gateway } from './gateway.js';
import { OpenWaits } from './open-waits.js';

/** The state that one gateway process has of its own. */
type OwnState = 'prefix' | 'admissions' | 'waits' | 'bodyMemory' | 'resultMemory';

/** A gateway over its client, with its own limits of waits and memory. */
export function openGateway(given: Omit<Gateway, OwnState>): Gateway {
  const { client, loaded, limits } = given;
  const { prefix } = loaded.values;
  return {
    ...given,
    prefix,
    admissions: openAdmissions(client.redis, prefix),
    waits: new OpenWaits(limits.maxOpen),
    bodyMemory: new BodyMemory(limits.maxBodies),
    resultMemory: new BodyMemory(limits.maxBodies, 'large results'),
  };
}
