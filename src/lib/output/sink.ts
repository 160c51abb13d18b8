/** Where a command writes its data: a file, a pipe, a device. */
export interface Sink {
  write(text: string): Promise<void>;
  /** Everything has been written: a file gets its name, a pipe is closed. */
  commit(): Promise<void>;
  /** Aborts: no part of a new file is left. Never throws. */
  discard(): Promise<void>;
}
