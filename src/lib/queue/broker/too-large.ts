import { InferError, type OwnFailure } from '../../core/errors.js';
import { formatBytes } from '../../core/units.js';
import { checkSize, type SizeLimit, SizeRefused } from '../../redis/size-limits.js';
import type { Settlement } from '../types.js';

const HINT =
  'submit fewer rows in one job, ask for fewer outputs, use --no-result, or raise proto-max-bulk-len and client-query-buffer-limit on the server that stores results';

/** INPUT_TOO_LARGE: Redis will never accept the input; nothing was queued. */
export function inputTooLarge({ bytes, limitText }: SizeRefused): InferError {
  return new InferError(
    'INPUT_TOO_LARGE',
    `the input of one job has ${formatBytes(bytes)}, more than Redis takes in one value (${limitText})`,
    {
      hint: 'submit fewer rows in one job, or raise proto-max-bulk-len and client-query-buffer-limit on the server',
    },
  );
}

/** The failure of a job whose result Redis will never accept. */
export function resultTooLarge({ bytes, limitText }: SizeRefused): OwnFailure {
  return {
    code: 'RESULT_TOO_LARGE',
    message: `its result has ${formatBytes(bytes)}, more than Redis takes in one value (${limitText})`,
    hint: HINT,
  };
}

/**
 * The outcome to store in place of one that is too large: failed for that reason, or with its original
 * failure but without the completed rows. Undefined when it contains no result that could be left out.
 */
export function withoutResult(settlement: Settlement, refused: SizeRefused): Settlement | undefined {
  const { job } = settlement;
  if (settlement.kind === 'completed') {
    return { kind: 'failed', job, failure: resultTooLarge(refused), meta: settlement.meta };
  }
  if (settlement.kind !== 'failed' || settlement.partial === undefined) return undefined;
  const { failure, meta } = settlement;
  const lost = `; the outputs of its good rows, ${formatBytes(refused.bytes)}, are too large for Redis and were not kept`;
  return { kind: 'failed', job, meta, failure: { ...failure, message: `${failure.message}${lost}` } };
}

/**
 * @throws InferError RESULT_TOO_LARGE when a result of this many bytes cannot fit: the job need not run to
 *   find out.
 */
export function checkResultSize(bytes: number, limit: SizeLimit): void {
  try {
    checkSize(bytes, limit);
  } catch (error) {
    throw error instanceof SizeRefused ? InferError.of(resultTooLarge(error)) : error;
  }
}
