/** Where log lines go; `process.stderr` fits. */
export interface LogStream {
  readonly isTTY?: boolean | undefined;
  /** Bytes that a slow reader has not taken yet. */
  readonly writableLength?: number | undefined;
  write(text: string, done?: (error?: Error | null) => void): unknown;
}

/** Of a reader that has stopped reading, kept in memory. */
const BACKLOG_BYTES = 1 << 20;

/**
 * Log lines to a stream that may fail: lines that cannot be written (a full disk, a terminal that is
 * gone) and those beyond 1 MiB that a stalled reader has not taken are dropped and counted. A log is
 * no reason for a worker to stop, nor to fill its memory.
 * @param onBack called with the number of lost lines at the first line that is written after them.
 */
export class LogSink {
  private lost = 0;

  constructor(
    private readonly stream: LogStream,
    private readonly onBack: (lost: number) => void,
  ) {}

  write(line: string): void {
    if ((this.stream.writableLength ?? 0) > BACKLOG_BYTES) {
      this.lost += 1;
      return;
    }
    this.stream.write(line, (error) => {
      if (error !== undefined && error !== null) {
        this.lost += 1;
        return;
      }
      const { lost } = this;
      this.lost = 0;
      if (lost > 0) this.onBack(lost);
    });
  }
}
