import { createHash } from 'node:crypto';
import type { InputSource } from './bytes.js';
import { openBytes } from './bytes.js';

/** SHA-256 of the bytes of sources in order, and of `how` they are read; hex. */
export async function fingerprintOf(
  sources: readonly InputSource[],
  how: unknown,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(how));
  for (const source of sources) {
    const reader = await openBytes(source, signal);
    try {
      let bytes = 0;
      for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
        hash.update(block);
        bytes += block.length;
      }
      // Otherwise two files might count as the same two that are cut elsewhere.
      hash.update(`\0${bytes}\0`);
    } finally {
      await reader.close();
    }
  }
  return hash.digest('hex');
}
