import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readInput } from '../input/read.js';
import { packageRoot } from '../model/package-root.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';

/** The test digits bundled with infer: pixels and labels. */
export interface Digits {
  pixels: number[][];
  labels: number[];
  file: string;
}

export function readDigits(): Digits {
  const file = join(packageRoot(), 'examples', 'digits.ndjson');
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { pixels: number[]; label: number });
  return { file, pixels: rows.map((row) => row.pixels), labels: rows.map((row) => row.label) };
}

/** The file as read by `infer submit`, `rounds` times over; one chunk at a time. */
export async function* repeated(
  digits: Digits,
  rounds: number,
  signature: ModelSignature,
): AsyncGenerator<Payload> {
  const input = await readInput({ path: digits.file }, signature);
  const chunks: Payload[] = [];
  if (input.kind === 'one') chunks.push(input.payload);
  else for await (const chunk of input.chunks) chunks.push(chunk);
  for (let round = 0; round < rounds; round++) yield* chunks;
}
