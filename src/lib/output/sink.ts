/** Where a command writes its data: a file, a pipe, a device. */
export interface Sink {
  /** The new file that gets the target's name when it is complete; undefined: the target is written directly. */
  readonly partial?: string | undefined;
  write(data: string | Uint8Array): Promise<void>;
  /** Everything has been written: a file gets its name, a pipe is closed. */
  commit(): Promise<void>;
  /** Aborts: no part of a new file is left. Never throws. */
  discard(): Promise<void>;
}
