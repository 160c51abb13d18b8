import type { SubmitOptions } from '../client/types.js';
import type { Settings } from '../config/settings.js';
import type { Priority } from '../core/job.js';
import { startOptions } from './flags.js';
import { type SelectionFlags, selectionOptions } from './selection-flags.js';

interface SubmitFlags extends SelectionFlags {
  priority?: Priority | undefined;
  id?: string | undefined;
  'no-result'?: boolean;
  delay?: number | undefined;
  at?: number | undefined;
  expires?: number | undefined;
}

/** How a command submits, from its settings and flags. @throws InferError OUTPUT_SELECTION (2). */
export function submitOptions(settings: Settings, flags: SubmitFlags): SubmitOptions {
  const { queue, resultTtl, retries, retryDelay, timeLimit, softTimeLimit } = settings;
  const { priority, id, delay, at, expires } = flags;
  return {
    queue,
    priority,
    id,
    retries,
    resultTtl: flags['no-result'] === true ? 0 : resultTtl,
    retryDelayMs: retryDelay,
    ...startOptions({ delay, at, expires }),
    timeLimitMs: timeLimit,
    softTimeLimitMs: softTimeLimit,
    ...selectionOptions(flags),
  };
}
