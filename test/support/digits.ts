import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './cli.js';

/** Test rows of the digits model, as shipped with the package. */
export const DIGITS_FILE = path.join(ROOT, 'examples/digits.ndjson');
export const ONE_DIGIT = path.join(ROOT, 'examples/one-digit.json');

export interface Digit {
  pixels: number[];
  label: number;
}

/** The model's answer for a row. */
export interface DigitAnswer {
  class: number;
  confidence: number;
  label: string;
  device: string;
}

export const DIGIT_ROWS: readonly Digit[] = readFileSync(DIGITS_FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Digit);

/** `count` rows as NDJSON: the test digits, repeated. */
export function digitLines(count: number): string {
  const lines = DIGIT_ROWS.map((row) => JSON.stringify({ pixels: row.pixels }));
  return `${Array.from({ length: count }, (_, at) => lines[at % lines.length]).join('\n')}\n`;
}

/** A version 1 .npy file of float32 rows. */
export function npyFile(rows: readonly (readonly number[])[], width = rows[0]?.length ?? 0): Buffer {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${width}), }`;
  const padded = `${head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11)}\n`;
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 0, 0]);
  magic.writeUInt16LE(padded.length, 8);
  return Buffer.concat([magic, Buffer.from(padded), Buffer.from(Float32Array.from(rows.flat()).buffer)]);
}
