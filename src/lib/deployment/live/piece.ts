import { InferError, messageOf } from '../../core/errors.js';

/** Something that is read again and again, and may fail alone. */
export class Piece<T> {
  /** As of `at`; what a failure leaves is what was read last. */
  data: T | undefined;
  /** Milliseconds since the epoch, by Redis's clock. */
  at: number | undefined;
  error: InferError | undefined;
  private reading = false;

  /**
   * Reads it, unless an earlier read is still under way. Never fails: the outcome is in the fields.
   * @param now the moment of the data
   * @param worded makes an error readable
   */
  async refresh(
    now: number,
    read: () => Promise<T>,
    worded: (error: unknown) => InferError = unexpected,
  ): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      this.data = await read();
      this.at = now;
      this.error = undefined;
    } catch (error) {
      this.error = error instanceof InferError ? error : worded(error);
    } finally {
      this.reading = false;
    }
  }
}

function unexpected(error: unknown): InferError {
  return new InferError('INTERNAL', messageOf(error), { cause: error });
}
