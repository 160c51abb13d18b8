/** A writable target; streams, sockets and `process.stdout` fit. */
export interface WritableTo {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
}

/** Resolves when the reader has taken the data: a slow pipe slows the writer. @throws the stream's error. */
export function writeTo(stream: WritableTo, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error === undefined || error === null ? resolve() : reject(error)));
  });
}
