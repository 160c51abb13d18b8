import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { readInput } from '../../../src/lib/input/read.js';
import { retainedBytes } from '../../support/heap.js';
import { digits } from './signatures.js';

// In its own file: it takes long, and mutation runs leave it out.
it('a stream of 200,000 rows is processed in bounded memory', async () => {
  const line = Buffer.from(`{"pixels":[${Array.from({ length: 64 }, (_, i) => i / 16)}],"label":2}\n`);
  const block = Buffer.concat(Array.from({ length: 200 }, () => line));
  const source = Readable.from(
    (function* () {
      for (let i = 0; i < 1000; i++) yield block;
    })(),
  );
  const result = await readInput({ stdin: source }, digits);
  if (result.kind === 'one') throw new Error('one row');
  let rows = 0;
  let most = 0;
  const before = await retainedBytes();
  for await (const chunk of result.chunks) {
    rows += chunk.rows;
    if (rows % 25_600 === 0) most = Math.max(most, (await retainedBytes()) - before);
  }
  expect(rows).toBe(200_000);
  // A tenth of the rows; 51 MB of tensors and 60 MB of text passed through.
  expect(most).toBeLessThan(5e6);
});
