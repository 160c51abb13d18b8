import type { RowResult } from '../client/submit-rows.js';
import type { WaitLimits } from '../core/bounded.js';
import { limitedCall } from './call.js';
import { HttpError, noAnswer } from './http-error.js';
import { linesOf, rowResult } from './row-stream.js';
import type { Transport } from './transport.js';

/** How to read the rows of a result. */
export interface ResultOptions extends WaitLimits {
  /** Does not wait for the end: rows that are not done have an error [false]. */
  partial?: boolean | undefined;
}

/** Maximum number of connections lost in a row without a row in between. */
const MOST_BREAKS = 4;

/**
 * Rows of a result in input order, as they arrive. After a lost connection it continues with the next row,
 * since results do not change.
 * @param wait waits until the job has ended
 */
export async function* resultRows(
  transport: Transport,
  path: string,
  options: ResultOptions,
  wait: () => Promise<unknown>,
): AsyncGenerator<RowResult, void, undefined> {
  const { signal } = options;
  const isPartial = options.partial === true;
  const headers = { accept: 'application/x-ndjson' };
  const request = { method: 'GET', path, headers, idempotent: true } as const;
  const step = <T>(read: () => Promise<T>): Promise<T> =>
    limitedCall(options, async () =>
      read().catch((error: unknown) => {
        throw noAnswer(error, transport.base);
      }),
    );
  for (let [done, breaks] = [0, 0]; ; ) {
    if (!isPartial) await wait();
    const answer = await limitedCall(options, (call) => transport.stream(call, request));
    const { body } = answer;
    if (answer.status === 202 || body === null) {
      await body?.cancel();
      if (isPartial) return;
      continue; // It was retried in the meantime.
    }
    const mayFail = isPartial || answer.headers.has('infer-failed-rows');
    try {
      let row = 0;
      for await (const line of linesOf(body as ReadableStream<Uint8Array>, step)) {
        signal?.throwIfAborted();
        if (row >= done) {
          [done, breaks] = [row + 1, 0];
          yield rowResult(line, row, mayFail);
        }
        row += 1;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      breaks += 1;
      if (!(error instanceof HttpError) || !error.retryable || breaks > MOST_BREAKS) throw error;
    }
  }
}
