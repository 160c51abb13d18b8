/** The target of log lines; `process.stderr` fits. */
export interface LogStream {
  readonly isTTY?: boolean | undefined;
  /** Bytes that a slow reader has not read yet. */
  readonly writableLength?: number | undefined;
  write(text: string, done?: (error?: Error | null) => void): unknown;
}

/** Maximum bytes kept in memory for a reader that has stopped reading. */
const BACKLOG_BYTES = 1 << 20;

/**
 * Writes log lines to a stream that may fail: lines that cannot be written (a full disk, a closed terminal)
 * and those beyond 1 MiB that a stalled reader has not read are dropped and counted. Logging must neither
 * stop a worker nor fill its memory.
 * @param onBack called with the number of lost lines when the next line is written.
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
