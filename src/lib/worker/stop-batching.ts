import type { InferError } from '../core/errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { BatchSizes } from './batch-sizes.js';
import type { ServedModels } from './served-models.js';

/**
 * Rows of a session were proven to mix (ROWS_MIXED): from now on they run one at a time; this is logged once.
 */
export function stopBatching(
  sizes: BatchSizes,
  models: ServedModels,
  log: Logger,
  session: string,
  { code, message, hint }: InferError,
): void {
  if (!sizes.stopBatching(session, message)) return;
  const signature = models.all.find((served) => served.session === session)?.loaded.signature;
  const model = signature === undefined ? session : `${signature.name}@${signature.version}`;
  log.error({ code, model, hint }, `rows mixed, they run one at a time from now on: ${message}`);
}
