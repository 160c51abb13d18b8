import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { doubler, poison, slow, stringEcho, writeModel } from '../support/onnx-builder.js';
import { random } from './random.js';
import type { ModelName, Work } from './records.js';

/** Part of every text payload; no log line may contain it. */
export const PAYLOAD_CANARY = 'canary-7c1f9e';
/** An index that no table has: the job fails, and the number must not appear in a log either. */
export const POISON_INDEX = 918_273_645;

const PIXELS = 64;
/** A turn of the slow model takes about 5 ms; the rare long run outlives a lock that is not renewed. */
const TURNS = [0, 1, 4, 20] as const;
const MOST_TURNS = 20;
const LONG_TURNS = 400;
const LONG_EVERY = 61;

export const MODELS: readonly ModelName[] = ['digits', 'slow', 'echo', 'poison', 'bulky'];

/** Bytes that the server accepts in one value when outcomes are oversized: the minimum that Redis can be set to. */
export const VALUE_LIMIT = 1024 * 1024;

/** Every third answer is larger than that. */
const BULKY = `
export const preprocess = ({ n }) => ({ x: [n, 0, 0, 0] });
export const postprocess = ({ y }) => {
  const n = (y.data[0] - 1) / 2;
  return n % 3 === 0 ? { n, text: 'x'.repeat(${VALUE_LIMIT * 1.2}) } : { n };
};
`;

/**
 * The real digits model, and four made for this: one slow, one for text, one that may fail, one with oversized answers.
 */
export function writeModels(root: string, dir: string): void {
  cpSync(join(root, 'models/digits'), join(dir, 'digits'), { recursive: true });
  writeModel(dir, 'slow', slow());
  writeModel(dir, 'echo', stringEcho());
  writeModel(dir, 'poison', poison());
  const handler = { handler: './handler.mjs' };
  writeModel(dir, 'bulky', doubler(), handler, { files: { 'handler.mjs': BULKY } });
}

/** Row `n` of digits: 64 grey values that no other row has. */
export function pixels(n: number): Float32Array {
  const chance = random(n * 7919 + 1);
  return Float32Array.from({ length: PIXELS }, () => Math.fround(chance.next()));
}

/** Every seventh row of the poison model breaks its run. */
export function poisonIndex(n: number): number {
  return n % 7 === 0 ? POISON_INDEX : n % 4;
}

/** Whether the answer to a row is larger than `VALUE_LIMIT`. */
export function isOversized(n: number): boolean {
  return n % 3 === 0;
}

export function echoText(n: number): string {
  return `${PAYLOAD_CANARY}-${n}`;
}

/** What a user would pass to `submit`. */
export function inputOf(work: Work): unknown {
  const row = ROWS[work.model];
  if (work.count === 1) return single(work.model, row(work.from), work.from);
  const rows = Array.from({ length: work.count }, (_, i) => row(work.from + i));
  // Many rows are many runs: the longest ones would occupy a worker for minutes.
  const brief = [Math.min(turns(work.from), MOST_TURNS)];
  return work.model === 'slow' ? { x: rows, turns: brief } : { [INPUTS[work.model]]: rows };
}

const INPUTS: Record<ModelName, string> = {
  digits: 'pixels',
  slow: 'x',
  echo: 'text',
  poison: 'index',
  bulky: 'n',
};
const ROWS: Record<ModelName, (n: number) => unknown[]> = {
  digits: (n) => [...pixels(n)],
  slow: (n) => [n, n % 1000],
  echo: (n) => [echoText(n)],
  poison: (n) => [poisonIndex(n)],
  bulky: (n) => [n],
};

function single(model: ModelName, row: unknown[], n: number): unknown {
  if (model === 'bulky') return { n };
  return model === 'slow' ? { x: row, turns: [turns(n)] } : { [INPUTS[model]]: row };
}

function turns(n: number): number {
  return n % LONG_EVERY === 0 ? LONG_TURNS : (TURNS[n % TURNS.length] as number);
}
