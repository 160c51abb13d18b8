import { createGzip } from 'node:zlib';
import type { Sink } from './sink.js';

/** A sink whose data is packed with gzip on its way to another, in flat memory. */
export function gzipSink(sink: Sink): Sink {
  const gzip = createGzip();
  const packed = (async () => {
    for await (const part of gzip) await sink.write(part as Buffer);
  })();
  // It is also thrown where it is waited for.
  packed.catch(() => undefined);
  return {
    partial: sink.partial,
    write: (data) =>
      new Promise<void>((resolve, reject) => {
        gzip.write(data, (error) => {
          if (error === undefined || error === null) resolve();
          // What ended the packing says more than that it has ended.
          else packed.then(() => reject(error), reject);
        });
      }),
    commit: async () => {
      gzip.end();
      await packed;
      await sink.commit();
    },
    discard: async () => {
      gzip.destroy();
      await packed.catch(() => undefined);
      await sink.discard();
    },
  };
}
