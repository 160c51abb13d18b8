import { Flags } from '@oclif/core';
import { SERVICES, type Service } from '../../tune/providers.js';
import type { TuneRole } from '../../tune/rules.js';

/** What the Redis is used for; determines the right settings. */
export const tuneRoleFlag = Flags.option({
  options: ['broker', 'results'] as const satisfies readonly TuneRole[],
  default: 'broker' as const,
  description: 'what this Redis is for: queues, or results alone (the one of INFER_RESULT_URL)',
})();

/** For services that cannot be recognised by their address. */
export const serviceFlag = Flags.option({
  options: SERVICES as readonly Service[],
  helpValue: '<name>',
  description: `provider of a managed Redis, where its address does not tell: ${SERVICES.join(', ')} [default: recognised]`,
})();

/** Flags of commands that change the server. */
export const changeFlags = {
  yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  'dry-run': Flags.boolean({ description: 'show what would be set, and set nothing' }),
};
