/** Where a command writes its data: a file, a pipe, a device. */
export interface Sink {
  write(text: string): Promise<void>;
  /** Everything is written: a file appears under its name, a pipe is ended. */
  commit(): Promise<void>;
  /** Gives up: no part of a new file stays. Never throws. */
  discard(): Promise<void>;
}
